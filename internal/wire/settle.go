package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
)

// Divisible says whether a plan may be computed in so many shares, 1 being as a whole. What was begun in another way is refused: its references have other numbers in the output, or come from a topic. It settles nothing.
func Divisible(ctx context.Context, c *config.Config, at string, p *plan.Plan, n int) error {
	if n > 1 && p.Deletions > 0 {
		return fmt.Errorf("plan %s has %d references that delete others, and a deletion takes the rows of its own share alone; leave --share out", p.Name, p.Deletions)
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return err
	}
	want := plan.Settled{Of: n}
	is, err := plan.HowSettled(ctx, place)
	switch {
	case err != nil || is == want:
		return err
	case is.Of > 0:
		return settledIn(at, otherwise(p.Name, is))
	}
	topics, err := plan.PublishedTo(ctx, place) // builds before this one have published plans and not said so
	switch {
	case err != nil:
		return err
	case len(topics) > 0:
		return otherwise(p.Name, plan.Settled{Published: true})
	case is.Published: // and not a record of it
		return settledIn(at, otherwise(p.Name, is))
	}
	return agree(ctx, c, p.Name, n) // an earlier build, or a run with another copy of the plan, may have begun it
}

// Divide settles that a plan is computed in so many shares. It comes after Divisible, and when nothing but the computing is left to fail: what is settled stays.
func Divide(ctx context.Context, c *config.Config, at string, p *plan.Plan, n int) error {
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return err
	}
	is, err := plan.Settle(ctx, place, plan.Settled{Of: n})
	if err == nil && is != (plan.Settled{Of: n}) {
		err = settledIn(at, otherwise(p.Name, is))
	}
	return err
}

// publishing settles that a plan is published. One that an output has anything of was begun by a run: by an earlier build, or with another copy of the plan.
func publishing(ctx context.Context, c *config.Config, at string, place plan.Place, p *plan.Plan) error {
	want := plan.Settled{Published: true}
	is, err := plan.HowSettled(ctx, place)
	if err != nil || is == want {
		return err
	}
	topics, err := plan.PublishedTo(ctx, place)
	if err != nil {
		return err
	}
	if is == (plan.Settled{}) && len(topics) == 0 {
		if err := partitions(ctx, c, p.Name, func(_ int, out string) error {
			return fmt.Errorf("plan %s was begun by a run that computes it itself: %s has some of it; leave --topic out", p.Name, out)
		}); err != nil {
			return err
		}
	}
	if is, err = plan.Settle(ctx, place, want); err != nil {
		return err
	}
	if is != want {
		return settledIn(at, fmt.Errorf("plan %s was begun by a run that computes it itself; leave --topic out", p.Name))
	}
	return nil
}

// settledIn adds where a refusal comes from: who settled it may have computed nothing.
func settledIn(at string, refusal error) error {
	return fmt.Errorf("%w (so says %s/%s: if `status` shows nothing written and no run is under way, delete it)", refusal, strings.TrimRight(at, "/"), plan.SettledName)
}

// otherwise says how a plan is computed that was to be computed in another way.
func otherwise(name string, is plan.Settled) error {
	switch {
	case is.Published:
		return fmt.Errorf("plan %s is published for the workers of a topic, which compute it; go on with --topic", name)
	case is.Of == 1:
		return fmt.Errorf("plan %s was begun as a whole; leave --share out", name)
	}
	return fmt.Errorf("plan %s was begun in %d shares; go on with --share 0/%[2]d to %d/%[2]d", name, is.Of, is.Of-1)
}

// agree refuses to compute a list in so many shares beside what required outputs have of it in another number of them.
func agree(ctx context.Context, c *config.Config, name string, n int) error {
	return partitions(ctx, c, name, func(part int, out string) error {
		switch {
		case part == 0 && n > 1:
			return otherwise(name, plan.Settled{Of: 1})
		case part > 0 && n == 1:
			return fmt.Errorf("plan %s was begun in shares, by a run that had another copy of the plan: %s has share %d of it; go on with --share", name, out, part-1)
		case part > n:
			return fmt.Errorf("plan %s was begun in more than %d shares, by a run that had another copy of the plan: %s has share %d of it", name, n, out, part-1)
		}
		return nil
	})
}

// partitions calls each for every partition of a list that a required output has anything of: 0 is the list as a whole, others are its shares. Best-effort ones may be away, and have the same numbers.
func partitions(ctx context.Context, c *config.Config, name string, each func(part int, out string) error) error {
	a := &auditor{c: c, stores: &stores{cfg: c}}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		for j := range p.Outputs {
			if p.Outputs[j].BestEffort {
				continue
			}
			sources, at, err := a.lists(ctx, p.Name, &p.Outputs[j], name)
			if errors.Is(err, errNoAccount) {
				continue
			}
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			for _, src := range sources {
				if err := each(src.Partition, at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lists are the sources of an output that are a manifest of a name.
func (a *auditor) lists(ctx context.Context, pipeline string, o *config.Output, name string) (some []schemas.SourceID, at string, err error) {
	out, at, err := a.output(ctx, o)
	if err != nil {
		return nil, at, err
	}
	if c, ok := out.(interface{ Close() }); ok {
		defer c.Close()
	}
	if some, err = lists(ctx, out, pipeline, name); err != nil {
		return nil, at, fmt.Errorf("%s: %w", at, err)
	}
	return some, at, nil
}

// lists are the sources of an output that are manifests: of a name, which nothing else is looked at for, or all if it is empty.
func lists(ctx context.Context, out audit.Output, pipeline, name string) (some []schemas.SourceID, err error) {
	if name != "" {
		topic := dlq.ManifestTopic + name
		parts, err := out.Partitions(ctx, pipeline, topic)
		for _, part := range parts {
			some = append(some, schemas.SourceID{Pipeline: pipeline, Topic: topic, Partition: part})
		}
		return some, err
	}
	all, err := out.Sources(ctx, pipeline)
	for _, src := range all {
		if strings.HasPrefix(src.Topic, dlq.ManifestTopic) {
			some = append(some, src)
		}
	}
	return some, err
}
