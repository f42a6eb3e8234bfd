package wire

import (
	"context"
	"errors"
	"slices"
	"time"

	"vecmill/embed"
	"vecmill/internal/config"
)

const (
	nextLength, nextBeyond = 1.5, 2 // times the length before: as far as batches have several items or one, whose needs leap from length to length, and beyond

	// What a batch may take that is longer than others are, or a shorter one is weighed in its place.
	longestTime  = 5         // seconds
	longestBytes = 256 << 20 // by what shorter ones let expect: the doctor runs beside a worker, and it may be some times as much

	raisedMost = 1.5 // costs of bytes that have to be raised by more to hold are not kept
)

// arenaOf is how many bytes a batch makes the arena of a new session hold.
type arenaOf func(ctx context.Context, inputs []embed.Tensor) (int64, error)

// weighed is what batches make the arena of a session hold.
type weighed struct {
	measurement         // that none of them exceeds
	raised      float64 // see embed.Bound
	full        float64 // bytes of the largest batch that costs no more than it may
	alone       float64 // of the longest item that the configuration takes in one window, by itself
	steps       int     // that this one has
	upTo        int     // the longest that was weighed before the time was up, besides corners; 0: all that are weighed were
}

// weighBatches weighs the corners, and between and behind them batches as full as they may be, each item half as long again as the one before, or twice beyond what a batch may cost: up to the longest that the configuration takes in one window. Of one that would take too much
// the bound tells what it needs, from how the next shorter one compares with it. When ctx's time is up, what was weighed counts if the corners are in it.
func weighBatches(ctx context.Context, p *config.Pipeline, m *loadedModel, all []corner, times embed.Costs, arena arenaOf) (w weighed, err error) {
	items, err := trialItems(m)
	if err != nil {
		return w, err
	}
	most, steps, err := longestItem(ctx, p, m, items[0])
	if err != nil {
		return w, err
	}
	limits, shapes := m.batch(p), shapesOf(p, m.spec)
	var seen []embed.Seen
	weigh := func(c corner) error {
		if slices.ContainsFunc(seen, func(s embed.Seen) bool { return s.Items == c.rows && s.Longest == c.longest }) {
			return nil
		}
		n, err := arena(ctx, c.inputs)
		if err != nil {
			return err
		}
		seen = append(seen, embed.Seen{Items: c.rows, Longest: c.longest, Needed: float64(n)})
		return nil
	}
	for _, c := range all {
		if err := weigh(c); err != nil {
			return w, err
		}
	}
	one, last, upTo := all[0].rows, all[0], 0
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
		c, err := longer(ctx, m, items[0], next, shapes, limits)
		if err == nil {
			err = weigh(c)
		}
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			upTo = last.longest
			break
		}
		if err != nil {
			return w, err
		}
		at, last = next, c
	}
	w = weighedOf(seen, limits.MaxCost, one, last, steps)
	w.upTo = upTo
	return w, nil
}

// longer is as full a batch as may be of an item that is so many times as long as the trial's.
func longer(ctx context.Context, m *loadedModel, item embed.Job, times float64, shapes embed.Shapes, limits embed.BatcherConfig) (corner, error) {
	samples, err := m.pre.Preprocess(ctx, item.Ref, stretch(m, item.Blob, times))
	if err != nil {
		return corner{}, err
	}
	return cornerOf(shapes, &samples[0], shapes.Fit(&samples[0], limits.MaxCost, limits.MaxItems))
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
