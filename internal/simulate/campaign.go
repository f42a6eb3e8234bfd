package simulate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// Source names the seam at which the broker is replaced.
type Source string

// The seams.
const (
	Scripted Source = "scripted" // a source made of the plan: a seed repeats itself to the nanosecond
	Kafka    Source = "kafka"    // kafka-go over an in-process Kafka and a virtual network: the schedule differs a little from run to run
)

// Campaign is a run of seeds.
type Campaign struct {
	First, Seeds uint64
	Source       Source
	Scenario     string // "" draws plans
	Verbose      bool   // print plans, traces and logs
	Progress     bool   // print every seed before it is played, for whoever watches this process
}

// Plan is the plan of one of the campaign's seeds.
func (c *Campaign) Plan(seed uint64) (Plan, error) {
	if c.Scenario == "" {
		p := Draw(seed)
		p.Source = c.Source
		return p, nil
	}
	s, err := FindScenario(c.Scenario)
	if err != nil {
		return Plan{}, err
	}
	p := s.Play(seed)
	p.Source = c.Source
	return p, nil
}

// Command is what plays one seed of the campaign again.
func (c *Campaign) Command(seed uint64) string {
	out := fmt.Sprintf("worker simulate --seed %d", seed)
	if c.Scenario != "" {
		out += " --scenario " + c.Scenario
	}
	if c.Source == Kafka {
		out += " --source kafka"
	}
	return out + " --verbose"
}

// most is the memory at which garbage is collected during a world, too: none comes near it that is not out of hand.
const most = 2 << 30

// alone sets the process up for simulations: one order of goroutines, as far as Go has one. Many become ready in one instant of virtual time, and one
// processor runs them in the order in which they became it, unless the collector gets in between, at a moment that real time decides. So garbage is
// collected between worlds (see [Run]), which are small and short.
func alone() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(most)
}

// again plays a plan that broke an invariant once more, and says how to reproduce it. A run that real time had a say in is rare, and one that breaks because of it rarer still; it is
// told in full then, since no command can ask the machine to stand still at the same places.
func (c *Campaign) again(t *testing.T, plan *Plan, first *Result) string {
	second := Run(t, *plan, nil)
	said := fmt.Sprintf("reproduce: %s\n", c.Command(plan.Seed))
	switch {
	case second.Hash == first.Hash:
		return said + "a second run went the same way\n"
	case second.Err != nil:
		return said + fmt.Sprintf("a second run went another way, and breaks, too: %v\n", second.Err)
	}
	var b bytes.Buffer
	first.Trace(&b)
	return said + fmt.Sprintf("a second run went another way and keeps every invariant (the first was held up by the machine: %v). %s\nthe trace of the first:\n%s", first.Disturbed, difference(first, &second), b.String())
}

// difference is the first event in which two runs differ.
func difference(a, b *Result) string {
	var x, y bytes.Buffer
	a.Trace(&x)
	b.Trace(&y)
	ls, rs := bytes.Split(x.Bytes(), []byte("\n")), bytes.Split(y.Bytes(), []byte("\n"))
	for i := range min(len(ls), len(rs)) {
		if !bytes.Equal(ls[i], rs[i]) {
			return fmt.Sprintf("Event %d of %d and %d is\n%s\nand then\n%s", i, len(ls), len(rs), ls[i], rs[i])
		}
	}
	return fmt.Sprintf("%d and %d events", len(ls), len(rs))
}

// Run plays the seeds until one fails or ctx ends, and tells w. It must have the process for itself: it runs goroutines on one processor.
func (c *Campaign) Run(ctx context.Context, t *testing.T, w io.Writer) error {
	alone()
	var all Coverage
	began := time.Now()
	for seed := c.First; seed < c.First+c.Seeds && ctx.Err() == nil; seed++ {
		plan, err := c.Plan(seed)
		if err != nil {
			return err
		}
		var logs io.Writer
		if c.Verbose {
			logs = w
			fmt.Fprint(w, plan.String())
		}
		if c.Progress {
			fmt.Fprintf(w, "seed %d\n", seed)
		}
		res := Run(t, plan, logs)
		all.Add(res.Coverage)
		if c.Verbose {
			res.Trace(w)
		}
		if res.Err != nil {
			fmt.Fprintf(w, "seed %d breaks an invariant:\n  %v\n%s", seed, res.Err, c.again(t, &plan, &res))
			return fmt.Errorf("seed %d breaks an invariant", seed)
		}
		if c.Seeds == 1 {
			fmt.Fprintf(w, "seed %d keeps every invariant: %v of virtual time, trace %s; %v\n", seed, res.Virtual.Round(time.Millisecond), res.Hash, res.Coverage)
		}
	}
	if c.Seeds > 1 {
		fmt.Fprintf(w, "%d seeds from %d on keep every invariant (%v): %+v\n", c.Seeds, c.First, time.Since(began).Round(time.Second), all)
	}
	return ctx.Err()
}
