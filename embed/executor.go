package embed

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vecmill/schemas"
)

// work is a batch on its way through one executor.
type work struct {
	batch   *Batch[*window]
	samples []Sample
	inputs  []Tensor
	err     error // of collating
	result  *result
}

// result is what a session and the heads made of samples.
type result struct {
	out      *Output
	payloads [][]schemas.Payload // by head, then by sample
	parts    [][]any             // likewise, of heads that join
	errs     []error             // by sample; nil if all is well
	infer    time.Duration
}

// execute runs one session: a feeder collates the next batch while the session runs the present one (prefetch 1), and a
// finisher applies the heads while the next one runs. The channels hold nothing, so no more than three batches are under way.
//
// With a target of latency nothing is prefetched: a batch that waits collated would be another one for a live item to wait for.
func (e *Engine) execute(ctx context.Context, s Session) {
	collated := make(chan *work)
	computed := make(chan *work)
	ready := make(chan struct{}, 2) // a token for each batch that may be collated or run
	ready <- struct{}{}
	if e.cfg.Batch.Latency == 0 {
		ready <- struct{}{}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(collated)
		e.feed(ctx, ready, collated)
	})
	wg.Go(func() {
		defer close(computed)
		for w := range collated {
			w.result = e.infer(ctx, s, w)
			ready <- struct{}{}
			computed <- w
		}
	})
	for w := range computed {
		e.finish(ctx, s, w)
	}
	wg.Wait()
}

// feed pulls batches for as long as ctx lasts; a batch that was pulled is always sent on, so that its windows are settled.
func (e *Engine) feed(ctx context.Context, ready <-chan struct{}, out chan<- *work) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	held := false // a token
	for ctx.Err() == nil {
		if !held {
			select {
			case <-ready:
				held = true
			case <-ctx.Done():
				return
			}
		}
		batch, wait := e.pull()
		if batch != nil {
			if !e.dropped(batch) {
				out <- e.collate(batch)
				held = false
			}
			continue
		}
		var expired <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			expired = timer.C
		}
		select {
		case <-e.wake:
		case <-expired:
		case <-ctx.Done():
		}
	}
}

// dropped settles a batch of which nobody waits for any item: after an assignment has ended, its work must not hold up the next one's, nor the
// process's end. A batch that is wanted in part is computed whole.
func (e *Engine) dropped(b *Batch[*window]) bool {
	if slices.ContainsFunc(b.Items, func(w *window) bool { return w.job.wanted() }) {
		return false
	}
	for _, w := range b.Items {
		e.settle(w, nil, nil, ErrUnwanted)
	}
	return true
}

func (e *Engine) pull() (*Batch[*window], time.Duration) {
	e.mu.Lock()
	batch, wait := e.mu.batcher.Next(time.Now())
	left := e.mu.batcher.Len()
	e.mu.Unlock()
	if batch != nil {
		for _, space := range e.space {
			signal(space)
		}
		if left > 0 {
			signal(e.wake) // another executor may be idle
		} else {
			e.turns()
		}
	}
	return batch, wait
}

func (e *Engine) collate(b *Batch[*window]) *work {
	began := time.Now()
	w := &work{batch: b, samples: make([]Sample, len(b.Items))}
	for i, win := range b.Items {
		w.samples[i] = win.s
	}
	w.inputs, w.err = collate(w.samples, e.cfg.Shapes, &e.floats)
	b.Padded = e.cfg.Shapes.padded(b.Padded, w.samples)
	work := 0.0
	for i := range w.samples {
		work += e.cfg.FLOPs(w.samples[i].Cost)
	}
	e.stats.batched(b, work, time.Since(began))
	return w
}

// infer runs the session on a collated batch.
func (e *Engine) infer(ctx context.Context, s Session, w *work) *result {
	if w.err != nil {
		return nil // the finisher takes the batch apart
	}
	ctx, span := e.batchSpan(ctx, w)
	defer span.End()
	began := time.Now()
	out, err := guard(func() (*Output, error) { return e.run(ctx, s, w.inputs, len(w.samples)) })
	took := time.Since(began)
	e.stats.inferred(took)
	e.itemSpans(w, span, began, took)
	if err != nil {
		span.RecordError(err)
		w.err = err
		return nil
	}
	for i := range w.inputs { // a session keeps none that has not failed
		e.floats.Put(w.inputs[i].F32)
	}
	w.inputs = nil
	e.learn(w.batch, took)
	return &result{out: out, infer: took}
}

// run is the session's run of a batch of so many items, without the rows that were added to it.
func (e *Engine) run(ctx context.Context, s Session, inputs []Tensor, items int) (*Output, error) {
	out, err := s.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	return out, e.cfg.Shapes.trim(out, items)
}

// learn tells the cost model what a batch took, by it the batcher, and the balance that there is something to see.
func (e *Engine) learn(b *Batch[*window], took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.costs.Observe(len(b.Items), b.Padded/len(b.Items), took)
	e.mu.batcher.Expect(e.mu.costs.Costs())
	e.lookLocked()
}

// finish applies the heads and settles every window of the batch, taking a failing batch apart.
func (e *Engine) finish(ctx context.Context, s Session, w *work) {
	r := w.result
	if r != nil {
		began := time.Now()
		w.err = e.apply(r, w.samples)
		e.stats.headed(time.Since(began))
	}
	if w.err != nil {
		w.inputs = nil
		r = e.bisect(ctx, s, w.samples, w.err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i, win := range w.batch.Items {
		if r.errs != nil && r.errs[i] != nil {
			e.settle(win, nil, nil, r.errs[i])
			continue
		}
		parts := make([]any, len(e.joiners))
		for h := range e.joiners {
			if e.joiners[h] != nil {
				parts[h] = r.parts[h][i]
			}
		}
		e.settle(win, e.rows(w, r, i, now), parts, nil)
	}
	if p, ok := e.pre.(Recycler); ok {
		for i := range w.samples {
			p.Recycle(&w.samples[i])
		}
	}
}

// blank is a result for n samples that has nothing in it yet.
func (e *Engine) blank(n int) *result {
	r := &result{payloads: make([][]schemas.Payload, len(e.heads)), parts: make([][]any, len(e.joiners))}
	for h := range r.payloads {
		r.payloads[h] = make([]schemas.Payload, n)
	}
	for h := range r.parts {
		r.parts[h] = make([]any, n)
	}
	return r
}

// apply runs every head over r's output.
func (e *Engine) apply(r *result, samples []Sample) error {
	full := e.blank(len(samples))
	r.payloads, r.parts = full.payloads, full.parts
	for h, head := range e.heads {
		var n int
		var err error
		if e.joiners != nil && e.joiners[h] != nil {
			r.parts[h], err = guard(func() ([]any, error) { return e.joiners[h].Parts(r.out, samples) })
			n = len(r.parts[h])
		} else {
			r.payloads[h], err = guard(func() ([]schemas.Payload, error) { return head.Apply(r.out, samples) })
			n = len(r.payloads[h])
		}
		if err != nil {
			return fmt.Errorf("head %s: %w", head.Name(), err)
		}
		if n != len(samples) {
			return fmt.Errorf("head %s gave %d results for %d samples", head.Name(), n, len(samples))
		}
	}
	return nil
}

// bisect finds the poison in a batch that failed with cause: it halves until the failing items are alone. One bad item of n costs
// about 2 log2(n) runs. An item that fails alone is rejected; if the engine is stopping, everything is handed back as stopped.
func (e *Engine) bisect(ctx context.Context, s Session, samples []Sample, cause error) *result {
	n := len(samples)
	r := e.blank(n)
	r.errs = make([]error, n)
	if ctx.Err() != nil {
		for i := range r.errs {
			r.errs[i] = ErrStopped
		}
		return r
	}
	if n == 1 {
		r.errs[0] = schemas.Reject(schemas.ReasonModel, cause)
		return r
	}
	e.stats.bisected()
	for _, cut := range [][2]int{{0, n / 2}, {n / 2, n}} {
		part := samples[cut[0]:cut[1]]
		sub, err := e.compute(ctx, s, part)
		if err != nil {
			sub = e.bisect(ctx, s, part, err)
		}
		r.infer += sub.infer
		copy(r.errs[cut[0]:], sub.errs)
		for h := range r.payloads {
			copy(r.payloads[h][cut[0]:], sub.payloads[h])
		}
		for h := range r.parts {
			copy(r.parts[h][cut[0]:], sub.parts[h])
		}
	}
	return r
}

// compute is the whole of an executor's work on some samples, in one go.
func (e *Engine) compute(ctx context.Context, s Session, samples []Sample) (*result, error) {
	inputs, err := collate(samples, e.cfg.Shapes, &e.floats)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out, err := guard(func() (*Output, error) { return e.run(ctx, s, inputs, len(samples)) })
	took := time.Since(began)
	e.stats.inferred(took)
	if err != nil {
		return nil, err
	}
	r := &result{out: out, infer: took}
	return r, e.apply(r, samples)
}

// rows builds the rows of one window, one per head, with the lineage that embed knows.
func (e *Engine) rows(w *work, r *result, i int, now time.Time) []schemas.Row {
	win := w.batch.Items[i]
	rows := make([]schemas.Row, len(e.heads))
	for h, head := range e.heads {
		rows[h] = schemas.Row{
			Lineage: schemas.Lineage{
				Modality: e.cfg.Modality, Model: e.cfg.Model, ModelDigest: e.cfg.ModelDigest, PreprocessDigest: e.pre.Digest(),
				Head: head.Name(), Task: head.Task(),
				Window: win.s.Window, WindowStart: win.s.Start, WindowEnd: win.s.End, Truncated: win.s.Truncated,
				CreatedAt: now, Attributes: win.s.Notes,
				Timings: schemas.Timings{Preprocess: win.preprocess, Queue: w.batch.Waited[i], Infer: r.infer},
			},
			Payload: r.payloads[h][i],
		}
	}
	return rows
}
