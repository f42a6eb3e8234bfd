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

// Divide has a plan computed in so many shares, 1 being as a whole. What was begun in another way is refused: its references have other numbers in the output, or come from a topic.
func Divide(ctx context.Context, c *config.Config, at string, p *plan.Plan, n int) error {
	if n > 1 && p.Deletions > 0 {
		return fmt.Errorf("plan %s has %d references that delete others, and a deletion takes the rows of its own share alone; leave --share out", p.Name, p.Deletions)
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return err
	}
	is, err := settled(ctx, place)
	if err != nil {
		return err
	}
	want := plan.Settled{Of: n}
	if is != (plan.Settled{}) && is != want {
		return otherwise(p.Name, is)
	}
	if err := agree(ctx, c, p.Name, n); err != nil { // before anything is settled: an earlier build, or a run with another copy of the plan, may have begun it
		return err
	}
	if is == want {
		return nil
	}
	if is, err = plan.Settle(ctx, place, want); err != nil {
		return err
	}
	if is != want {
		return otherwise(p.Name, is)
	}
	return nil
}

// settled is how a plan is computed. Builds before this one have published plans and not said so.
func settled(ctx context.Context, place plan.Place) (plan.Settled, error) {
	is, err := plan.HowSettled(ctx, place)
	if err != nil || is != (plan.Settled{}) {
		return is, err
	}
	topics, err := publishedTo(ctx, place)
	return plan.Settled{Published: len(topics) > 0}, err
}

// publishing settles that a plan is published.
func publishing(ctx context.Context, place plan.Place, p *plan.Plan) error {
	want := plan.Settled{Published: true}
	is, err := plan.Settle(ctx, place, want)
	if err != nil {
		return err
	}
	if is != want {
		return fmt.Errorf("plan %s was begun by a run that computes it itself; leave --topic out", p.Name)
	}
	return nil
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
	a := &auditor{c: c, stores: &stores{cfg: c}}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		for j := range p.Outputs {
			if p.Outputs[j].BestEffort {
				continue // it may be away, and the required ones have the same numbers
			}
			parts, at, err := a.partitions(ctx, p.Name, &p.Outputs[j], name)
			if errors.Is(err, errNoAccount) {
				continue
			}
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			for _, part := range parts {
				switch {
				case part == 0 && n > 1:
					return otherwise(name, plan.Settled{Of: 1})
				case part > 0 && n == 1:
					return fmt.Errorf("plan %s was begun in shares, by a run that had another copy of the plan: %s has share %d of it; go on with --share", name, at, part-1)
				case part > n:
					return fmt.Errorf("plan %s was begun in more than %d shares, by a run that had another copy of the plan: %s has share %d of it", name, n, at, part-1)
				}
			}
		}
	}
	return nil
}

// partitions are those of a list that an output has anything of: 0 is the list as a whole, others are its shares.
func (a *auditor) partitions(ctx context.Context, pipeline string, o *config.Output, name string) (parts []int, at string, err error) {
	out, at, err := a.output(ctx, o)
	if err != nil {
		return nil, at, err
	}
	if c, ok := out.(interface{ Close() }); ok {
		defer c.Close()
	}
	sources, err := lists(ctx, out, pipeline, name)
	if err != nil {
		return nil, at, fmt.Errorf("%s: %w", at, err)
	}
	for _, src := range sources {
		parts = append(parts, src.Partition)
	}
	return parts, at, nil
}

// lists are the sources of an output that are manifests: of a name, or all if it is empty.
func lists(ctx context.Context, out audit.Output, pipeline, name string) (some []schemas.SourceID, err error) {
	all, err := out.Sources(ctx, pipeline)
	for _, src := range all {
		if manifest, ok := strings.CutPrefix(src.Topic, dlq.ManifestTopic); ok && (name == "" || manifest == name) {
			some = append(some, src)
		}
	}
	return some, err
}
