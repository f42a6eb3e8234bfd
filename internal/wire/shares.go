package wire

import (
	"context"
	"fmt"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
)

// Divided is in how many shares the plan at a place is computed: 1 as a whole, 0 if nothing is settled, or if a topic's workers compute it.
func Divided(ctx context.Context, c *config.Config, at string) (int, error) {
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return 0, err
	}
	is, err := plan.HowSettled(ctx, place)
	return is.Of, err
}

// Left are the shares of a plan, of n, of which a required output of the new pipeline has not all. Whoever has finished a share and asks then finds it done: of several that end at once, one at least finds nothing left.
func (r *Reembed) Left(ctx context.Context, p *plan.Plan, n int) (left []int, err error) {
	outputs, closeAll, err := pastsOf(ctx, r.auditor.stores, r.New)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	for i := range n {
		share := plan.Share{I: i, N: n}
		src := schemas.SourceID{Pipeline: r.New.Name, Topic: dlq.ManifestTopic + p.Name, Partition: share.Partition()}
		for _, out := range outputs {
			span, _, err := out.span(ctx, src)
			if err != nil {
				return nil, fmt.Errorf("looking for share %d: %w", i, err)
			}
			if span.Next != share.Len(p.Items) {
				left = append(left, i)
				break
			}
		}
	}
	return left, nil
}
