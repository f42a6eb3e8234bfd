package cli

import (
	"bytes"
	"strings"
	"testing"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/wire"
)

// TestListsThatWereLeftOutAreTold has a prefix with nothing but lists, planned and run.
func TestListsThatWereLeftOutAreTold(t *testing.T) {
	var planned, run bytes.Buffer
	counts := backfill.Counts{Lists: 3}
	printPlan(&planned, &wire.Planned{Plan: &plan.Plan{}, Counts: counts})
	tellPlan(&run, "s3://box/", "", &wire.PlanFor{Plan: &plan.Plan{}, Counts: counts})
	for _, out := range []string{planned.String(), run.String()} {
		if !strings.Contains(out, "3 lists of references") || !strings.Contains(out, "--include") {
			t.Errorf("%s", out)
		}
	}
}

// TestAPlanSaysWhatTagsTellOfCopies and what they do not, and of which of them its time is without.
func TestAPlanSaysWhatTagsTellOfCopies(t *testing.T) {
	for _, c := range []struct {
		copied *backfill.Copied
		want   string
	}{
		{nil, ""},
		{&backfill.Copied{}, "copies             0 by their entity tags: 0 of contents that outputs have, 0 of an item before\n"},
		{&backfill.Copied{Outputs: 20, Within: 6, Untold: 3, About: 8}, "copies             26 by their entity tags: 20 of contents that outputs have, 6 of an item before (about, counted of one content in 8); 3 more may be copies: their tags do not tell\n"},
	} {
		var out bytes.Buffer
		x := backfill.Expectation{Tried: 1}
		if c.copied != nil {
			x.Copies = backfill.Interval{Value: 20, Low: 20, High: float64(c.copied.All())}
		}
		printPlan(&out, &wire.Planned{Plan: &plan.Plan{Items: 30}, Counts: backfill.Counts{Seen: 30, Copied: c.copied}, Promise: wire.Promise{Expected: []backfill.Expectation{x}}})
		text := out.String()
		if strings.Contains(text, "copies") != (c.copied != nil) || !strings.Contains(text, c.want) || strings.Contains(text, "  copies           20 to 26 of those are not computed again; the time is without 20\n") != (c.copied != nil && c.copied.Untold > 0) {
			t.Errorf("%+v:\n%s", c.copied, text)
		}
	}
}
