package progress

import (
	"encoding/json"
	"testing"
)

func TestWhatWasPlannedIsSaidBesideWhatItTook(t *testing.T) {
	cpu := func(planned, took float64) func(*Against) {
		return func(a *Against) { a.PlannedCPU, a.TookCPU = &planned, &took }
	}
	base := Against{References: 100, Of: 100, Machines: 1, Planned: 200, Took: 190, Counted: OfRuns, Runs: 1}
	for _, c := range []struct {
		name string
		set  func(*Against)
		want string
	}{
		{"a run of all", func(*Against) {}, "planned 3m20s, took 3m10s: 0.95 of it"},
		{"with processors", cpu(100, 120), "planned 3m20s, took 3m10s: 0.95 of it; CPU time planned 1m40s, took 2m0s: 1.20 of it"},
		{"several runs", func(a *Against) { a.Runs = 3 }, "planned 3m20s, took 3m10s in 3 runs: 0.95 of it"},
		{"a part", func(a *Against) { a.References = 40 }, "planned 3m20s for 40 of 100 references, took 3m10s: 0.95 of it"},
		{"of less than a minute", func(a *Against) { a.Planned, a.Took = 2, 1.5 }, "planned 2s, took 1.5s: 0.75 of it"},
		{"a stated rate", func(a *Against) { a.Stated = true }, "planned 3m20s, took 3m10s: 0.95 of it; planned by a stated rate"},
		{"a pipeline whose time was not known", func(a *Against) { a.Untold = []string{"notes"} }, "planned 3m20s, took 3m10s: 0.95 of it; the plan could not tell the time of notes"},
		{"another machine", func(a *Against) { a.Measured, a.Ran = "8 of A", "2 of B" }, "planned 3m20s, took 3m10s: 0.95 of it; planned on another kind of machine: 8 of A, and run on 2 of B"},
		{"workers", func(a *Against) { a.Counted, a.Machines, a.Runs = ToWritten, 20, 0 }, "planned 3m20s on 20 machines, took 3m10s from the beginning of the publishing to the last write: 0.95 of it"},
		{"a publishing", func(a *Against) { a.Counted, a.References = ToNow, 90 }, "planned 3m20s on 1 machine for 90 of 100 references, took 3m10s since the publishing began: 0.95 of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := base
			c.set(&a)
			a.Ratios()
			if got := a.Words(); got != c.want {
				t.Errorf("it says %q, want %q", got, c.want)
			}
			var back map[string]any
			if b, err := json.Marshal(a); err != nil || json.Unmarshal(b, &back) != nil || back["ratio"] != a.Ratio {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}
