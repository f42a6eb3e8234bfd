package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// corner is a batch of a shape from which costs are learnt.
type corner struct {
	rows, longest int
	inputs        []embed.Tensor
}

const (
	measureTime = 3 * time.Minute // for finding out what batches take, and again for what memory they need: a session is opened for each shape
	again       = "see what else this machine computes, and examine again"

	cornerRuns = 2    // counted of each corner, of each caller, after one that asks for memory
	longTimes  = 4096 // of the trial's words or half seconds, at most, to find long items
	halfSecond = 0.5
)

// corners are batches of one item and as full as the configuration has them, of items from short to long. Pictures have one size, so there are two.
func corners(ctx context.Context, p *config.Pipeline, m *loadedModel) (all []corner, err error) {
	limits, shapes := m.batch(p), shapesOf(p, m.spec)
	samples, err := stretched(ctx, m, limits.MaxCost)
	if err != nil {
		return nil, err
	}
	for i := range samples {
		s := &samples[i]
		for _, n := range slices.Compact([]int{1, shapes.Fit(s, limits.MaxCost, limits.MaxItems)}) {
			c, err := cornerOf(shapes, s, n)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// cornerOf is a batch of a sample again and again.
func cornerOf(shapes embed.Shapes, s *embed.Sample, items int) (c corner, err error) {
	c.rows, c.longest = shapes.Round(items, s.Length())
	c.rows *= s.Rows()
	c.inputs, err = shapes.Collate(slices.Repeat([]embed.Sample{*s}, items))
	return c, err
}

// stretched are samples of an object that becomes four times as long for as long as that makes them longer, but for no more than so many steps.
func stretched(ctx context.Context, m *loadedModel, most int) (all []embed.Sample, err error) {
	items, err := trialItems(m)
	if err != nil {
		return nil, err
	}
	item := items[0]
	for times := 1; times <= longTimes; times *= 4 {
		samples, err := m.pre.Preprocess(ctx, item.Ref, stretch(m, item.Blob, float64(times)))
		switch {
		case times == 1 && err != nil:
			return nil, err
		case times > 1 && (err != nil || samples[0].Cost <= all[len(all)-1].Cost || samples[0].Cost > most): // the configuration refuses it, or takes it apart
			return all, nil
		}
		all = append(all, samples[0])
	}
	return all, nil
}

// stretch is an object that is so many times as long as the trial's, or half a second; pictures are as they are.
func stretch(m *loadedModel, blob []byte, times float64) []byte {
	switch m.spec.Modality {
	case schemas.Audio:
		return hum(halfSecond * times)
	case schemas.Image:
		return blob
	}
	return []byte(strings.TrimSpace(strings.Repeat(string(blob)+" ", int(times))))
}

// timeCorners runs each corner by all callers at once, as a busy worker does, and gives what batches take.
func timeCorners(ctx context.Context, p *config.Pipeline, m *loadedModel, all []corner) (measurement, error) {
	costs := embed.NewCostModel(m.batch(p).MaxCost, m.spec.FLOPs)
	runs := int64(0)
	sessions, _ := m.callers()
	for _, c := range all {
		took, err := timeCorner(ctx, sessions, c.inputs)
		if err != nil {
			return measurement{}, err
		}
		for _, t := range took {
			costs.Observe(c.rows, c.longest, t.Seconds())
			runs++
		}
	}
	learnt, _ := costs.Costs()
	return measurement{Costs: learnt, Batches: runs, At: time.Now().UTC().Truncate(time.Second)}, nil
}

// timeCorner is what each of a corner's runs took.
func timeCorner(ctx context.Context, sessions []embed.Session, inputs []embed.Tensor) (took []time.Duration, err error) {
	for round := range cornerRuns + 1 {
		each, faults := make([]time.Duration, len(sessions)), make([]error, len(sessions))
		var running sync.WaitGroup
		for i, s := range sessions {
			running.Go(func() {
				began := time.Now()
				_, faults[i] = s.Run(ctx, inputs)
				each[i] = time.Since(began)
			})
		}
		running.Wait()
		if err := errors.Join(faults...); err != nil {
			return nil, err
		}
		if round > 0 {
			took = append(took, each...)
		}
	}
	return took, nil
}

// batches tells what a worker of this configuration knows of its batches, and measures what it would not: their bytes, which nothing else measures, and their times
// where no worker has learnt them yet.
func (d *doctor) batches(ctx context.Context, p *config.Pipeline, m *loadedModel) {
	check := "batches " + p.Name
	if p.Batch.Packing {
		m.recall(d.c, p)
		if c := m.costs; c.Sound() {
			row := embed.UsualRow(m.spec)
			d.say(check, Sound, "learnt from %d batches until %s: a row of %d steps %v", c.Batches, c.At.Format(time.DateOnly), row, seconds(c.Batch(1, row)))
			return
		}
		d.say(check, Sound, "packed rows have few shapes, whose times a worker learns")
		return
	}
	provider := ortsession.Provider(p.Model.Provider)
	most := max(measureTime, timeOn(provider))
	timing, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	all, err := d.corners(timing, p, m)
	if err != nil {
		d.say(check, Doubt, "what they need could not be measured: %v", late(timing, provider, err))
		return
	}
	if m.key == "" {
		d.say(check, Sound, "the kind of GPU is not known, so nothing of them is kept from start to start")
		return
	}
	f := found{corners: all, times: m.costs, learnt: m.costs.Sound()}
	if !f.learnt {
		if f.times, err = timeCorners(timing, p, m, all); err != nil {
			d.say(check, Doubt, "what they take could not be measured: %v", late(timing, provider, err))
			return
		}
	}
	weighing, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	f.bytes, err = weighBatches(weighing, p, m, all, f.times.Costs, func(ctx context.Context, inputs []embed.Tensor) (int64, error) {
		return ortsession.Arena(ctx, m.narrow, m.devices[0], inputs)
	})
	f.untold = late(weighing, provider, err)
	d.keep(p, m, f)
}

// found is what a doctor has found of batches.
type found struct {
	corners []corner
	times   measurement
	learnt  bool // by a worker, before
	bytes   weighed
	untold  error // why there are no bytes
}

// keep keeps what was found of batches, and tells it.
func (d *doctor) keep(p *config.Pipeline, m *loadedModel, f found) {
	check, grade := "batches "+p.Name, Sound
	if f.untold == nil && f.bytes.raised > raisedMost {
		f.untold, grade = fmt.Errorf("%w: a batch needs %.1f times what others of other shapes let expect", ortsession.ErrUntold, f.bytes.raised), Doubt
	}
	bytes, also := f.bytes.measurement, ""
	switch {
	case errors.Is(f.untold, ortsession.ErrUntold):
		bytes = measurement{}
	case f.untold != nil: // too little time, say: what an earlier one has found holds
		bytes, grade = m.bytes, Doubt
	case f.bytes.upTo > 0:
		grade, also = Doubt, fmt.Sprintf("; when %v were up, all other lengths up to %d steps had been weighed, and longer ones may need more than they are counted as: %s", measureTime, f.bytes.upTo, again)
	}
	cache, err := cacheDir(d.c)
	if err == nil {
		err = keepMeasured(cache, func(kept *measurements) {
			if !f.learnt {
				kept.Costs[m.key] = f.times
			}
			switch {
			case f.untold == nil:
				kept.Bytes[m.key] = bytes
			case errors.Is(f.untold, ortsession.ErrUntold):
				delete(kept.Bytes, m.key)
			}
		})
	}
	if err != nil {
		d.say(check, Doubt, "%v: the next start learns what they take again", err)
	}
	unbound, shortest := "", f.corners[0].longest
	switch most := float64(p.Batch.MaxBytes); {
	case most > 0 && !bytes.Sound():
		grade, unbound = Doubt, ": batch.max_bytes bounds nothing"
	case most > 0 && bytes.Batch(2, shortest) > most:
		grade, unbound = Doubt, fmt.Sprintf(": batch.max_bytes leaves every item alone, the shortest of which needs %.1f MiB", bytes.Batch(1, shortest)/(1<<20))
	}
	d.say(check, grade, "%s%s%s", f.tell(bytes), unbound, also)
	if f.untold == nil {
		d.room(p, m, f.bytes)
	}
}

// corners opens such sessions as the next start will, and gives the corners of their batches.
func (d *doctor) corners(ctx context.Context, p *config.Pipeline, m *loadedModel) ([]corner, error) {
	cache, err := cacheDir(d.c)
	if err != nil {
		return nil, err
	}
	if next, _ := divisionOf(d.c, p, cache, m.graph); !next.is(m.division) {
		if err := m.close(); err != nil {
			return nil, err
		}
		if m.devices, err = sessionOptions(d.c, p); err != nil {
			return nil, err
		}
		if err := m.openSessions(ctx, p, next, slog.New(slog.DiscardHandler)); err != nil {
			return nil, err
		}
	}
	m.recall(d.c, p)
	return corners(ctx, p, m)
}

// tell says what batches of the corners' shapes need.
func (f found) tell(bytes measurement) string {
	var took, held []string
	for _, c := range f.corners {
		shape := fmt.Sprintf("%d x %d steps ", c.rows, c.longest)
		took = append(took, shape+seconds(f.times.Batch(c.rows, c.longest)).String())
		held = append(held, shape+fmt.Sprintf("%.1f MiB", bytes.Batch(c.rows, c.longest)/(1<<20)))
	}
	from := "measured now"
	if f.learnt {
		from = fmt.Sprintf("learnt from %d batches until %s", f.times.Batches, f.times.At.Format(time.DateOnly))
	}
	memory := "in the arena, for each that runs: " + strings.Join(held, ", ")
	switch {
	case f.untold != nil && bytes.Sound():
		memory += fmt.Sprintf(", by what was measured until %s, as it could not be now: %v", bytes.At.Format(time.DateOnly), f.untold)
	case f.untold != nil:
		memory = fmt.Sprintf("what memory they need is not known: %v", f.untold)
	}
	return fmt.Sprintf("%s: %s; %s", from, strings.Join(took, ", "), memory)
}

// late adds to an error what to do if measuring ran out of its time.
func late(ctx context.Context, p ortsession.Provider, err error) error {
	switch {
	case err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return err
	case timeOn(p) > measureTime:
		return overtime(ctx, p, err)
	}
	return fmt.Errorf("it took more than %v: %w; %s", measureTime, err, again)
}

// seconds is a duration as a person reads it.
func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond)
}
