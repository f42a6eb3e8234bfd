package progress

import (
	"fmt"
	"strings"
)

// Against is what was planned beside what it took.
type Against struct {
	References int64    `json:"references"` // that are counted: of runs those that they made durable, of workers those that they have written or read
	Of         int64    `json:"of"`         // references of the plan
	Machines   int      `json:"machines"`   // that the planned time is of
	Planned    float64  `json:"planned_seconds"`
	Took       float64  `json:"took_seconds"`
	Ratio      float64  `json:"ratio"`
	PlannedCPU *float64 `json:"planned_cpu_seconds"` // null, as the next two: the rate was stated, or workers have computed it
	TookCPU    *float64 `json:"took_cpu_seconds"`
	CPURatio   *float64 `json:"cpu_ratio"`
	Counted    Counted  `json:"counted"`
	Runs       int      `json:"runs,omitempty"` // whose times Took is the sum of
	Stated     bool     `json:"stated,omitempty"`
	Untold     []string `json:"untold,omitempty"`      // pipelines whose time the plan could not tell: it is in Took alone
	Measured   string   `json:"measured_on,omitempty"` // the kind of machine, where it is another than those of Ran
	Ran        string   `json:"ran_on,omitempty"`
}

// Counted says which time Took is.
type Counted string

// The ways to count.
const (
	OfRuns    Counted = "runs"      // the sum of the runs' own
	ToWritten Counted = "written"   // from the beginning of the publishing to the last file, or transaction, of the workers
	ToNow     Counted = "published" // from the beginning of the publishing until now
)

// Ratios fills in what follows from the rest.
func (a *Against) Ratios() {
	if a.Planned > 0 {
		a.Ratio = a.Took / a.Planned
	}
	if a.PlannedCPU != nil && a.TookCPU != nil && *a.PlannedCPU > 0 {
		r := *a.TookCPU / *a.PlannedCPU
		a.CPURatio = &r
	}
}

// Words is all of it on a line.
func (a *Against) Words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "planned %s", brief(a.Planned))
	if a.Counted != OfRuns {
		machines := "machines"
		if a.Machines == 1 {
			machines = "machine"
		}
		fmt.Fprintf(&b, " on %d %s", a.Machines, machines)
	}
	if a.References < a.Of {
		fmt.Fprintf(&b, " for %d of %d references", a.References, a.Of)
	}
	fmt.Fprintf(&b, ", took %s", brief(a.Took))
	switch {
	case a.Counted == ToWritten:
		b.WriteString(" from the beginning of the publishing to the last write")
	case a.Counted == ToNow:
		b.WriteString(" since the publishing began")
	case a.Runs > 1:
		fmt.Fprintf(&b, " in %d runs", a.Runs)
	}
	fmt.Fprintf(&b, ": %.2f of it", a.Ratio)
	if a.CPURatio != nil {
		fmt.Fprintf(&b, "; CPU time planned %s, took %s: %.2f of it", brief(*a.PlannedCPU), brief(*a.TookCPU), *a.CPURatio)
	}
	if len(a.Untold) > 0 {
		fmt.Fprintf(&b, "; the plan could not tell the time of %s", strings.Join(a.Untold, ", "))
	}
	if a.Stated {
		b.WriteString("; planned by a stated rate")
	}
	if a.Measured != "" {
		fmt.Fprintf(&b, "; planned on another kind of machine: %s, and run on %s", a.Measured, a.Ran)
	}
	return b.String()
}
