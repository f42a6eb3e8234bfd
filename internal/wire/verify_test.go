package wire

import (
	"slices"
	"testing"
	"time"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
)

// TestWhatABestEffortOutputLacksIsNoOffence has one that passed over a reference beside a required one with all of them. What its audit finds is told still. Outputs are told apart by their place, not by their names.
func TestWhatABestEffortOutputLacksIsNoOffence(t *testing.T) {
	of := func(output string, bestEffort bool, computed int64) Audited {
		index := map[string]int{"a": 0, "b": 1}[output]
		return Audited{Output: output, index: index, bestEffort: bestEffort, Report: audit.Report{Topic: "manifest:x", Next: 3, Computed: computed}}
	}
	second := of("a", false, 3)
	second.index = 1
	p := &plan.Plan{Name: "x", Items: 3}
	for _, c := range []struct {
		name     string
		all      []Audited
		audited  int
		offences []string
	}{
		{"all of it", []Audited{of("a", false, 3)}, 1, nil},
		{"a required output lacks one", []Audited{of("a", false, 3), of("b", false, 2)}, 2, []string{"b has 2 rows' references and 0 dead letters up to 3, and 3 are planned"}},
		{"a best-effort output lacks one", []Audited{of("a", false, 3), of("b", true, 2)}, 1, nil},
		{"tables of one name in two databases", []Audited{of("a", false, 3), second}, 2, nil},
		{"a best-effort output is damaged", []Audited{of("a", false, 3), {Output: "b", index: 1, bestEffort: true, Report: audit.Report{Topic: "manifest:x", Offences: []string{"o"}}}}, 1, []string{"b, manifest:x/0: o"}},
		{"a best-effort output alone", []Audited{of("b", true, 3)}, 0, nil},
	} {
		v := &Verified{}
		v.count(c.all, p, true)
		if v.Audited != c.audited || !slices.Equal(v.Offences, c.offences) || v.Audited > 0 && v.Computed != c.all[c.audited-1].Computed {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

func TestWorkersMayWriteNothingForAsLongAsRowsWait(t *testing.T) {
	aged := func(age time.Duration) *config.Parquet { return &config.Parquet{RollAge: config.Duration(age)} }
	for _, c := range []struct {
		outputs []config.Output
		want    time.Duration
	}{
		{nil, 5 * time.Minute},
		{[]config.Output{{Parquet: aged(time.Minute)}}, 5 * time.Minute},
		{[]config.Output{{Parquet: aged(time.Minute)}, {Arrow: (*config.Arrow)(aged(time.Hour))}, {Postgres: &config.Postgres{}}}, 2 * time.Hour},
		{[]config.Output{{Iceberg: &config.Iceberg{RollAge: config.Duration(10 * time.Minute)}}}, 20 * time.Minute},
		{[]config.Output{{Parquet: aged(time.Minute)}, {Parquet: aged(time.Hour), BestEffort: true}}, 5 * time.Minute},
	} {
		if got := patienceWith(&config.Pipeline{Outputs: c.outputs}); got != c.want {
			t.Errorf("%+v: %v, want %v", c.outputs, got, c.want)
		}
	}
}
