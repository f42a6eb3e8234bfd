package cli

import (
	"bytes"
	"strings"
	"testing"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/wire"
	"vecmill/schemas"
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

// TestAPlanSaysForWhomReferencesAreCountedUnasked has two pipelines whose conditions are about the record.
func TestAPlanSaysForWhomReferencesAreCountedUnasked(t *testing.T) {
	var out bytes.Buffer
	printPlan(&out, &wire.Planned{Plan: &plan.Plan{Items: 30}, Unasked: map[string]int64{"b": 4, "a": 30}})
	if got := out.String(); !strings.Contains(got, "\ncounted            30 references for a, all that it may take: its where asks about the record, which a plan has none of\ncounted            4 references for b,") {
		t.Errorf("%s", got)
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
		x := backfill.Expectation{Items: 30, Tried: 2, FailShare: 0.5, Wall: &backfill.Interval{}, CPU: &backfill.Interval{}}
		if c.copied != nil {
			x.Copies = backfill.Interval{Value: 20, Low: 20, High: float64(c.copied.All())}
		}
		printPlan(&out, &wire.Planned{Plan: &plan.Plan{Items: 30}, Counts: backfill.Counts{Seen: 30, Copied: c.copied}, Promise: wire.Promise{Expected: []backfill.Expectation{x}}})
		text := out.String()
		if strings.Contains(text, "copies") != (c.copied != nil) || !strings.Contains(text, c.want) || strings.Contains(text, "  copies           20 to 26 of those are not computed again; the time has 20 as fetched and written alone\n") != (c.copied != nil && c.copied.Untold > 0) {
			t.Errorf("%+v:\n%s", c.copied, text)
		}
		if fail := "  dead letters     about 50.0 %; of these no copy is spared"; strings.Contains(text, fail) != (c.copied != nil && c.copied.All() > 0) {
			t.Errorf("%+v:\n%s", c.copied, text)
		}
	}
}

// TestAPlanOfSeveralPipelinesSaysWhatTheyTakeTogether has two of one machine.
func TestAPlanOfSeveralPipelinesSaysWhatTheyTakeTogether(t *testing.T) {
	of := func(name string, seconds, price float64) backfill.Expectation {
		around := func(x float64) *backfill.Interval {
			return &backfill.Interval{Value: x, Low: x / 2, High: 2 * x}
		}
		return backfill.Expectation{Pipeline: name, Items: 7, Modality: schemas.Text, Tried: 1, Machines: 1, Wall: around(seconds), CPU: around(2 * seconds), Price: *around(price)}
	}
	all := []backfill.Expectation{of("a", 60, 1), of("b", 40, 0.5)}
	p := wire.Planned{Plan: &plan.Plan{Items: 7}, Promise: wire.Promise{Expected: all}}
	const want = "all pipelines\n  time             1m40s (50s to 3m20s)\n  price            1.50 (0.75 to 3.00)\n"
	var out strings.Builder
	if printPlan(&out, &p); !strings.Contains(out.String(), want) {
		t.Errorf("%s\nhas no\n%s", out.String(), want)
	}
	out.Reset()
	p.Expected = all[:1]
	if printPlan(&out, &p); strings.Contains(out.String(), "all pipelines") {
		t.Errorf("of one pipeline:\n%s", out.String())
	}
}

// TestAPlanSaysInOneLineThatAPipelineHasNothing has three pipelines, two of which have nothing of the sample, and one of these nothing of the plan.
func TestAPlanSaysInOneLineThatAPipelineHasNothing(t *testing.T) {
	p := wire.Planned{Plan: &plan.Plan{Items: 1003, For: map[string]int64{"text": 1000, "speech": 1, "text,speech": 2}}}
	zero := &backfill.Interval{}
	p.Expected = []backfill.Expectation{
		{Pipeline: "text", Items: 1003, Tried: 8, Wall: &backfill.Interval{Value: 5, Low: 5, High: 5}, CPU: zero, Machines: 1, Rows: 3},
		{Pipeline: "speech", Wall: zero, CPU: zero},
		{Pipeline: "pictures", Wall: zero, CPU: zero},
	}
	var out strings.Builder
	printPlan(&out, &p)
	const want = "\nspeech: 3 references for it, none of them in the sample: what it takes is not known\npictures: nothing of this plan is for it\n"
	if got := out.String(); !strings.HasSuffix(got, want) || strings.Count(got, "time ") != 1 || !strings.Contains(got, "5s (5s to 5s), on 1 machine like this one\n") || !strings.Contains(got, "3 rows, 0 B before a store encodes them\n") {
		t.Errorf("%s", got)
	}
	second := p.Expected[0]
	second.Pipeline = "more"
	p.Expected = append(p.Expected, second)
	out.Reset()
	if printPlan(&out, &p); !strings.HasSuffix(out.String(), "\nall pipelines but speech\n  time             10s (10s to 10s)\n") {
		t.Errorf("%s", out.String())
	}
}

func TestARunOfASourceSaysHowToGoOn(t *testing.T) {
	startedAs(t, "bin/backfill")
	o := runOptions{config: "c.yaml", asJSON: true, from: wire.PlanOptions{Source: "s3://b/p", Listers: 3}}
	const want = "bin/backfill run --config c.yaml --json --source s3://b/p --listers 3"
	if got := o.again(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	o.from.Listers, o.asJSON = listers, false
	startedAs(t, "/opt/my programs/backfill")
	if got, want := o.again(), "'/opt/my programs/backfill' run --config c.yaml --source s3://b/p"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAPublishingSaysHowLongItTakesYet(t *testing.T) {
	for want, of := range map[string]struct {
		left int64
		rate float64
	}{"2m0s left, ": {1200, 10}, "": {1200, 0}} {
		if got := leftWords(of.left, of.rate); got != want {
			t.Errorf("%d at %g/s: %q, want %q", of.left, of.rate, got, want)
		}
	}
}

// What is small is not told as nothing.
func TestSmallPlansSayHowSmall(t *testing.T) {
	for got, want := range map[string]string{
		amount(14.02): "14 seconds", amount(3599.7): "3600 seconds", amount(5400): "1.5 hours",
		span(0): "0s", span(0.24): "under 1s", span(61.4): "1m1s",
		money(backfill.Interval{Value: 12.5, Low: 0.004, High: 20}):     "12.50 (0.00 to 20.00)",
		money(backfill.Interval{Value: 0.1, Low: 0.05, High: 0.2}):      "0.10 (0.05 to 0.20)",
		money(backfill.Interval{Value: 0.0034, Low: 0.0012, High: 1}):   "0.0034 (0.0012 to 1.0000)",
		money(backfill.Interval{Value: 1e-12, Low: 1e-12, High: 1e-12}): "0.00000000 (0.00000000 to 0.00000000)",
		hours(backfill.Interval{Value: 0.2, Low: 0.1, High: 0.31}):      "0.2 seconds (0.1 to 0.31)",
		hours(backfill.Interval{Value: 3600, Low: 1800, High: 7200}):    "1.00 hours (0.50 to 2.00)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
