package wire

import (
	"context"
	"slices"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
)

const (
	nextLength, nextBeyond = 1.5, 2 // times the length before: as far as batches have several items or one, whose needs leap from length to length, and beyond

	// What a batch may take that is longer than others are, or a shorter one is weighed in its place.
	longestTime  = 5         // seconds
	longestBytes = 256 << 20 // by what shorter ones let expect: the doctor runs beside a worker, and it may be some times as much

	raisedMost = 1.5 // costs of bytes that have to be raised by more to hold are not kept
)

// weighed is what batches make the arena of a session hold.
type weighed struct {
	measurement         // that none of them exceeds
	raised      float64 // see embed.Bound
	full        float64 // bytes of the largest batch that costs no more than it may
	alone       float64 // of the longest item that the configuration takes in one window, by itself
	steps       int     // that this one has
}

// weighBatches weighs the corners, and between and behind them batches as full as they may be, each item half as long again as the one before, or twice beyond what a batch may cost: up to the longest that the configuration takes in one window. Of one that would take too much
// the bound tells what it needs, from how the next shorter one compares with it.
func weighBatches(ctx context.Context, p *config.Pipeline, m *loadedModel, all []corner, times embed.Costs) (w weighed, err error) {
	items, err := trialItems(m)
	if err != nil {
		return w, err
	}
	most, steps, err := longestItem(ctx, p, m, items[0])
	if err != nil {
		return w, err
	}
	limits, shapes := batchConfig(p.Batch, m.spec.Modality), shapesOf(p, m.spec)
	var seen []embed.Seen
	weigh := func(c corner) error {
		if slices.ContainsFunc(seen, func(s embed.Seen) bool { return s.Items == c.rows && s.Longest == c.longest }) {
			return nil
		}
		n, err := ortsession.Arena(ctx, m.narrow, m.devices[0], c.inputs)
		seen = append(seen, embed.Seen{Items: c.rows, Longest: c.longest, Needed: float64(n)})
		return err
	}
	for _, c := range all {
		if err := weigh(c); err != nil {
			return w, err
		}
	}
	one, last := all[0].rows, all[0]
	for at := 1.0; at < most; {
		next := min(max(nextLength*at, at+1), most)
		ahead := int(float64(last.longest) * next / at)
		if ahead > limits.MaxCost {
			next = min(max(nextBeyond*at, at+1), most)
			ahead = int(float64(last.longest) * next / at)
			if bound, _ := embed.Bound(seen); times.Batch(one, ahead) > longestTime || bound.Batch(one, ahead) > longestBytes {
				break
			}
		}
		samples, err := m.pre.Preprocess(ctx, items[0].Ref, stretch(m, items[0].Blob, next))
		if err != nil {
			return w, err
		}
		if last, err = cornerOf(shapes, &samples[0], shapes.Fit(&samples[0], limits.MaxCost, limits.MaxItems)); err == nil {
			err = weigh(last)
		}
		if err != nil {
			return w, err
		}
		at = next
	}
	return weighedOf(seen, limits.MaxCost, one, last, steps), nil
}

// weighedOf is what was seen: of one item's rows, up to the last, and of batches that may cost so much.
func weighedOf(seen []embed.Seen, most, one int, last corner, steps int) weighed {
	bound, raised := embed.Bound(seen)
	w := weighed{measurement: measurement{Costs: bound, Batches: int64(len(seen)), At: time.Now().UTC().Truncate(time.Second)}, raised: raised, steps: steps}
	w.alone = bound.Batch(one, steps)
	for _, s := range seen {
		if s.Longest <= most {
			w.full = max(w.full, bound.Batch(s.Items, s.Longest))
		}
		if s.Items == one && s.Longest == last.longest {
			w.alone = s.Needed * bound.Batch(one, steps) / bound.Batch(one, s.Longest)
		}
	}
	return w
}
