package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/progress"
	"vecmill/internal/publish"
	"vecmill/schemas"
	"vecmill/stream"
)

// Written is how far one output of a pipeline has come with a manifest.
type Written struct {
	Pipeline string `json:"pipeline"`
	Output   string `json:"output"`
	Manifest string `json:"manifest"` // its name

	BestEffort bool `json:"best_effort,omitempty"` // it may lack some of it, which nothing brings in later
	Kept       bool `json:"checkpoint,omitempty"`  // the output does not say it, but what is kept beside the plan: nothing but how many are written

	audit.Written
	*Through                   // nil: a run read the list itself
	Against  *progress.Against `json:"against_plan,omitempty"` // null: the plan says no time, or nobody knows what it took
}

// Through is the topic that a list was published to. What is written of it is counted in records, from where the topic ended when that began: others' records between the list's are among them.
type Through struct {
	Topic     string `json:"topic"`
	Published int64  `json:"published"` // references of the list
	Records   int64  `json:"records"`   // of the topic, up to the last of these
}

// references are those of the list among what is written of the topic: all of them, or as many as their share of it.
func (w *Written) references() int64 {
	if w.Next >= w.Records {
		return w.Published
	}
	return int64(float64(w.Next) * float64(w.Published) / float64(w.Records)) // their product may have more than 63 bits
}

// HowFar asks the outputs themselves how far they have come: with the manifest of a name, all shares of it together, or with all that they have anything of if it is empty. Outputs that keep no account are passed
// over, and named.
func HowFar(ctx context.Context, c *config.Config, name string) (all []Written, passed []string, err error) {
	a := &auditor{c: c, stores: &stores{cfg: c}}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		for j := range p.Outputs {
			some, err := a.howFar(ctx, p, &p.Outputs[j], name)
			if errors.Is(err, errNoAccount) {
				passed = append(passed, p.Name+": "+unnamed(p, j))
				continue
			}
			if err != nil {
				return nil, nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			all = append(all, some...)
		}
	}
	return all, passed, nil
}

// unnamed is an output that has no place of its own to be told by.
func unnamed(p *config.Pipeline, output int) string {
	return fmt.Sprintf("%s (%s)", outputName(output), p.Outputs[output].Kind())
}

// HowFarThrough is HowFar with a plan for each topic that it was published to. Pipelines that do not read it are left out. Kafka is not asked: the plan's place has how far the publishing came.
func HowFarThrough(ctx context.Context, c *config.Config, at string) (all []Written, err error) {
	list, err := OpenPlan(ctx, c, at)
	if err != nil {
		return nil, err
	}
	a := &auditor{c: c, stores: &stores{cfg: c}}
	place, err := planPlace(ctx, a.stores, at)
	if err != nil {
		return nil, err
	}
	topics, err := plan.PublishedTo(ctx, place)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		state, err := stateOf(place, topic).load(ctx)
		if err != nil || state == nil {
			return nil, err
		}
		if len(state.Begins) != len(state.Ends) {
			return nil, fmt.Errorf("the plan was published to %s by a build that did not note where that began: backfill audit tells of the topic as a whole", topic)
		}
		for i := range c.Pipelines {
			p := &c.Pipelines[i]
			if !slices.Contains(p.Topics, topic) {
				continue
			}
			for j := range p.Outputs {
				w, err := a.through(ctx, p, &p.Outputs[j], topic, state)
				if errors.Is(err, errNoAccount) {
					continue
				}
				if err != nil {
					return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
				}
				w.Manifest = list.Plan().Name
				if w.Last != nil && !state.Began.IsZero() {
					w.Against = againstFleet(c, list.Plan(), topic, w.references(), w.Last.Sub(state.Began), progress.ToWritten)
				}
				all = append(all, *w)
			}
		}
	}
	return all, nil
}

// through adds up what an output has of a list's records.
func (a *auditor) through(ctx context.Context, p *config.Pipeline, o *config.Output, topic string, state *publish.State) (*Written, error) {
	out, at, err := a.output(ctx, o)
	if err != nil {
		return nil, err
	}
	if c, ok := out.(interface{ Close() }); ok {
		defer c.Close()
	}
	w := &Written{Pipeline: p.Name, Output: at, BestEffort: o.BestEffort, Through: &Through{Topic: topic, Published: state.Next}}
	sum := &w.Written
	for i, end := range state.Ends {
		span := schemas.Span{First: state.Begins[i], Next: end}
		part, err := audit.HowFar(ctx, out, schemas.SourceID{Pipeline: p.Name, Topic: topic, Partition: i}, span)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		if files, _ := o.Files(); files == nil && p.StartAt != string(stream.StartLast) { // it does not say where it begins
			part.Passed = 0
		}
		part.Next -= span.First
		sum = sum.And(part)
		w.Records += span.Len()
	}
	w.Written = *sum
	return w, nil
}

// howFar adds up the shares of a list.
func (a *auditor) howFar(ctx context.Context, p *config.Pipeline, o *config.Output, name string) (all []Written, err error) {
	out, at, err := a.output(ctx, o)
	if err != nil {
		return nil, err
	}
	if c, ok := out.(interface{ Close() }); ok {
		defer c.Close()
	}
	sources, err := lists(ctx, out, p.Name, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if len(sources) == 0 && name != "" { // nothing of it, which is an answer, too
		sources = []schemas.SourceID{{Pipeline: p.Name, Topic: dlq.ManifestTopic + name}}
	}
	for _, src := range sources {
		manifest := strings.TrimPrefix(src.Topic, dlq.ManifestTopic)
		w, err := audit.HowFar(ctx, out, src, audit.Whole)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		if n := slices.IndexFunc(all, func(other Written) bool { return other.Manifest == manifest }); n >= 0 {
			all[n].Written = *all[n].And(w)
			continue
		}
		all = append(all, Written{Pipeline: p.Name, Output: at, Manifest: manifest, BestEffort: o.BestEffort, Written: *w})
	}
	return all, nil
}
