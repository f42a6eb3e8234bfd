package simulate

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
		p.Source, p.command = c.Source, c.Command(seed)
		return p, nil
	}
	s, err := FindScenario(c.Scenario)
	if err != nil {
		return Plan{}, err
	}
	p := s.Play(seed)
	p.Source, p.command = c.Source, c.Command(seed)
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

// again plays a plan that broke an invariant once more, exactly, and says how to reproduce what it does. If only the machine's say broke it, what happened is told in full, since no
// command can ask the machine to stand still at the same places.
func (c *Campaign) again(t *testing.T, stage *Stage, plan *Plan, first *Result) string {
	second := stage.Exactly(t, *plan, nil)
	switch said := fmt.Sprintf("trace: %s\nreproduce: %s\n", second.Hash, c.Command(plan.Seed)); {
	case second.Hash == first.Hash:
		return said
	case second.Err != nil:
		return said + fmt.Sprintf("a second run went another way, and breaks, too: %v\n", second.Err)
	default:
		var b bytes.Buffer
		first.Trace(&b)
		return said + fmt.Sprintf("a second run went another way and keeps every invariant (held up by the machine: the first %v, the second %v). %s\nthe trace of the first:\n%s",
			first.Disturbed, second.Disturbed, difference(first, &second), b.String())
	}
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

// Run plays the seeds until one fails or ctx ends, and tells w. It must have the process for itself: see Stage.
func (c *Campaign) Run(ctx context.Context, t *testing.T, w io.Writer) error {
	stage := NewStage()
	var all Coverage
	began := time.Now()
	for seed := c.First; seed < c.First+c.Seeds && ctx.Err() == nil; seed++ {
		plan, err := c.Plan(seed)
		if err != nil {
			return err
		}
		var logs io.Writer
		if c.Verbose {
			logs = unseen(w)
			fmt.Fprint(w, plan.String())
		}
		if c.Progress {
			fmt.Fprintf(w, "seed %d\n", seed)
		}
		play := stage.Run
		if c.Seeds == 1 {
			play = stage.Exactly
		}
		res := play(t, plan, logs)
		all.Add(res.Coverage)
		if c.Verbose {
			res.Trace(w)
		}
		if res.Err != nil {
			fmt.Fprintf(w, "seed %d breaks an invariant:\n  %v\n%s", seed, res.Err, c.again(t, stage, &plan, &res))
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
