package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/publish"
)

// Through has workers compute the plan, by a topic that the new pipeline reads and no other: others would compute it, too. It comes before Plan.
func (r *Reembed) Through(topic string) error {
	for i := range r.auditor.c.Pipelines {
		p := &r.auditor.c.Pipelines[i]
		switch reads := slices.Contains(p.Topics, topic); {
		case p.Name == r.New.Name && !reads:
			return fmt.Errorf("%s does not read topic %s: add it to its topics alone, and start the workers with them", r.New.Name, topic)
		case p.Name != r.New.Name && reads:
			return fmt.Errorf("%s reads topic %s, too, and would compute what is published there for %s: take a topic that %[3]s alone reads", p.Name, topic, r.New.Name)
		}
	}
	r.topic = topic
	return nil
}

// Publish puts the plan into the topic.
func (r *Reembed) Publish(ctx context.Context, o PublishOptions) (Publication, error) {
	o.Topic = r.topic
	return Publish(ctx, r.Config, r.at, o)
}

// published is how far the plan was published; nil if it was not.
func (r *Reembed) published(ctx context.Context) (*publish.State, error) {
	if r.topic == "" {
		return nil, nil
	}
	place, err := planPlace(ctx, r.auditor.stores, r.at)
	if err != nil {
		return nil, err
	}
	state, err := stateOf(place, r.topic).load(ctx)
	switch {
	case err != nil:
		return nil, err
	case state == nil:
		return nil, fmt.Errorf("the plan at %s was not published to %s", r.at, r.topic)
	case len(state.Begins) != len(state.Ends):
		return nil, fmt.Errorf("the plan at %s was published by a build that did not note where that began: it cannot be told what is written of it", r.at)
	}
	return state, nil
}

// countThrough adds up what the outputs have of a plan that was published, but for those that are best-effort and may lack some of it. Records of others between the plan's are counted with them.
func (r *Reembed) countThrough(ctx context.Context, v *Verified, p *plan.Plan, state *publish.State) error {
	for i := range r.New.Outputs {
		if r.New.Outputs[i].BestEffort {
			continue
		}
		w, err := r.auditor.through(ctx, r.New, &r.New.Outputs[i], r.topic, state)
		if errors.Is(err, errNoAccount) {
			continue
		}
		if err != nil {
			return err
		}
		v.Computed, v.Dead = w.Computed, w.Dead
		if w.Next != w.Records || w.Missing > 0 || w.Computed+w.Dead < p.Items {
			v.offend("%s has %d rows' references and %d dead letters of %d records of %s, and %d are planned", w.Output, w.Computed, w.Dead, w.Records, r.topic, p.Items)
		}
	}
	return nil
}
