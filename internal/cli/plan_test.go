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
