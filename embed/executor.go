package embed

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"

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
	outs     []Output            // one for all samples, or in packed batches one for each
	payloads [][]schemas.Payload // by head, then by sample
	parts    [][]any             // likewise, of heads that join
	errs     []error             // by sample; nil of one that is well
	refused  bool                // by a head: one of several
	infer    time.Duration
}

// execute is one executor: a feeder collates the next batch while the session runs the present one (prefetch 1), and a
// finisher applies the heads while the next one runs. The channels hold nothing, so no more than three batches are under way, and one of them runs.
//
// With a target of latency nothing is prefetched: a batch that waits collated would be another one for a live item to wait for.
func (e *Engine) execute(ctx context.Context, s *runner) {
	collated := make(chan *work)
	computed := make(chan *work)
	tokens := 2 // one for each batch that may be collated or run
	if e.cfg.Batch.Latency > 0 {
		tokens = 1
	}
	ready := make(chan struct{}, tokens)
	for range tokens {
		ready <- struct{}{}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(collated)
		e.feed(ctx, s.device, ready, collated)
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

// feeder is where one executor stands between its batches.
type feeder struct {
	device int
	tokens int  // at hand
	all    int  // that there are: with fewer at hand a batch is under way
	idle   bool // counted as an executor without a batch; guarded by Engine.mu
}

// feed pulls batches for a device for as long as ctx lasts; a batch that was pulled is always sent on, so that its windows are settled.
func (e *Engine) feed(ctx context.Context, device int, ready <-chan struct{}, out chan<- *work) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	f := &feeder{device: device, all: cap(ready)}
	for ctx.Err() == nil {
		if f.tokens == 0 {
			select {
			case <-ready:
				f.tokens++
			case <-ctx.Done():
				return
			}
		}
		for f.tokens < f.all && len(ready) > 0 {
			<-ready
			f.tokens++
		}
		batch, wait := e.pull(f)
		if batch != nil {
			if !e.dropped(batch) {
				out <- e.collate(batch)
				f.tokens--
			}
			continue
		}
		var expired <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			expired = timer.C
		}
		more, wake := ready, e.ahead
		if f.tokens == f.all {
			more, wake = nil, e.wake
		}
		select {
		case <-wake:
		case <-more:
			f.tokens++
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

// pull takes the batch that is the best one on a device. An executor with a batch under way takes none ahead while another one of its device has none: there it would run at once.
func (e *Engine) pull(f *feeder) (batch *Batch[*window], wait time.Duration) {
	e.mu.Lock()
	e.standLocked(f, f.tokens == f.all)
	if f.idle || e.mu.idle[f.device] == 0 {
		e.mu.batcher.Expect(e.mu.costs[f.device].Costs())
		batch, wait = e.mu.batcher.Next(time.Now())
	}
	if batch != nil {
		e.standLocked(f, false)
	}
	for p := range e.mu.arrivals {
		e.admitLocked(Priority(p))
	}
	left := e.mu.batcher.Len()
	if left == 0 {
		e.letLocked()
	}
	e.mu.Unlock()
	if batch != nil && left > 0 {
		e.call() // another executor may be idle
	}
	return batch, wait
}

// standLocked counts an executor among those without a batch, or not.
func (e *Engine) standLocked(f *feeder, idle bool) {
	if f.idle == idle {
		return
	}
	f.idle = idle
	if idle {
		e.mu.idle[f.device]++
	} else {
		e.mu.idle[f.device]--
	}
}

// call tells feeders that something has changed: one without a batch under way, and one with.
func (e *Engine) call() {
	signal(e.wake)
	signal(e.ahead)
}

func (e *Engine) collate(b *Batch[*window]) *work {
	began := time.Now()
	w := &work{batch: b, samples: make([]Sample, len(b.Items))}
	for i, win := range b.Items {
		w.samples[i] = win.s
	}
	w.inputs, w.err = e.inputs(w.samples, b.Layout, &e.floats)
	work := 0.0
	for i := range w.samples {
		s := &w.samples[i]
		work += float64(s.Rows()) * e.cfg.FLOPs(s.Length())
	}
	e.stats.batched(b, work, time.Since(began))
	return w
}

// infer runs the session on a collated batch.
func (e *Engine) infer(ctx context.Context, s *runner, w *work) *result {
	if w.err != nil {
		return nil // the finisher takes the batch apart
	}
	before := <-s.known // the finisher may be taking a batch apart
	ctx, span := e.batchSpan(ctx, w)
	defer span.End()
	began := time.Now()
	outs, err := e.outputs(ctx, s.session, w.inputs, w.samples, w.batch.Layout)
	took := time.Since(began)
	e.remember(s, before, w.inputs, err)
	e.stats.waited(w.batch, began)
	e.stats.inferred(took)
	e.itemSpans(w, span, began, took)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		w.err = err
		return nil
	}
	w.inputs = nil
	e.learn(s.device, w.batch, took)
	if e.cfg.Took != nil {
		e.cfg.Took(ctx, took)
	}
	return &result{outs: outs, infer: took}
}

// learn tells a device's cost model what a batch took there, and the balance that there is something to see.
func (e *Engine) learn(device int, b *Batch[*window], took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.costs[device].Observe(b.Rows, b.Length, took.Seconds())
	e.lookLocked()
}

// finish applies the heads and settles every window of the batch, taking a failing batch apart.
func (e *Engine) finish(ctx context.Context, s *runner, w *work) {
	r := w.result
	if r != nil {
		began := time.Now()
		w.err = e.apply(r, w.samples)
		e.stats.headed(time.Since(began))
	}
	if w.err != nil {
		w.inputs = nil
		r = e.bisect(ctx, s, w.samples, w.batch.Layout, w.err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i, win := range w.batch.Items {
		if r.errs[i] != nil {
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

// inputs are the tensors of a batch, in memory of floats.
func (e *Engine) inputs(samples []Sample, l *Layout, floats *Floats) ([]Tensor, error) {
	if l == nil {
		return collate(samples, e.cfg.Shapes, floats)
	}
	return e.cfg.Packing.collate(samples, l, floats)
}

// outputs computes a batch: one output for all samples, or in packed batches one for each.
func (e *Engine) outputs(ctx context.Context, s Session, inputs []Tensor, samples []Sample, l *Layout) ([]Output, error) {
	out, err := guard(func() (*Output, error) { return s.Run(ctx, inputs) })
	if err != nil {
		return nil, &runFault{cause: err}
	}
	if l == nil {
		err = e.cfg.Shapes.trim(out, len(samples))
		return []Output{*out}, err
	}
	return e.cfg.Packing.unpack(out, samples, l)
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
