package embed

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"vecmill/schemas"
)

// Streamer is a Preprocessor that hands the windows of an object over one by one, so that a long recording is never held whole.
type Streamer interface {
	Preprocessor

	// Stream does what Preprocess does, and gives each sample to emit as soon as it is made, in order. emit blocks while [WindowsInFlight] windows of the object are under way; its error ends the stream.
	// Footprint counts that many windows, and the blob until Stream returns.
	Stream(ctx context.Context, ref schemas.Ref, blob []byte, emit func(Sample) error) error
}

// Extender is a Preprocessor whose objects may have many windows, or whose samples have steps (frames, tokens, pixels) that heads make something of: Extent bounds both, the steps of all windows together, without those that are there for context only ([Chunk]). head and size are Footprint's.
type Extender interface {
	Extent(ref schemas.Ref, head []byte, size int64) (windows, steps int64)
}

// Clearer is an Extender that is done with part of its footprint before the first result is made: Clears says of how many bytes at least. Results are reserved in their place.
type Clearer interface {
	Extender
	Clears(ref schemas.Ref, head []byte, size int64) int64
}

// Taker is a Preprocessor that takes far less of this process's memory for most objects than their footprints, which go by a header. Took bounds it, of an object of size bytes whose samples had
// made bytes at once.
type Taker interface {
	Took(size, made int64) int64
}

// AllOfIt is what a job took of its footprint where nothing less is known.
const AllOfIt = math.MaxInt64

// took bounds what a job took of this process's memory until its samples were made.
func (e *Engine) took(size, made, results int64) int64 {
	if t, ok := e.pre.(Taker); ok {
		return t.Took(size, made) + results
	}
	return AllOfIt
}

// WindowsInFlight is how many windows of one object are under way at most, between preprocessing and heads: enough to fill batches.
const WindowsInFlight = windowsInFlight

const windowsInFlight = 16

// preprocess makes a job's windows and lets each wait for a batch. It returns false if the job was given up meanwhile, and its worker with it.
func (e *Engine) preprocess(ctx context.Context, j *job) bool {
	if err := e.admit(ctx, j); err != nil {
		j.Done(nil, err)
		return true
	}
	began := time.Now()
	p := &passage{e: e, ctx: ctx, j: j, began: began, size: int64(len(j.Blob))}
	p.decoding.Store(true)
	j.mu.open = 1 // until no window is to come any more
	j.mu.parts = make([][]any, len(e.joiners))
	err := p.run()
	if !p.ended.CompareAndSwap(false, true) {
		return false
	}
	p.rests()
	j.Blob = nil
	p.tell()
	e.stats.preprocessed(p.windows, err)
	e.span(j, "vecmill.preprocess", began, time.Now(), trace.WithAttributes(
		attribute.Int("windows", p.windows), attribute.Float64("busy_seconds", p.spent.Seconds())))
	if _, streams := e.pre.(Streamer); streams && err == nil && j.Held != nil {
		results := e.results(int64(p.windows), p.steps)
		j.Held(results+p.rest(), e.took(p.size, p.rest(), results))
	}
	e.close(j, err)
	return true
}

// admit waits for a turn to decode. An error is what becomes of the job in its place.
func (e *Engine) admit(ctx context.Context, j *job) error {
	defer e.stats.admitted(j.offered)
	if !j.wanted() {
		return ErrUnwanted
	}
	if !e.begin(ctx, j.Priority) {
		return e.ended()
	}
	if !j.wanted() { // any more, since a turn may be long in coming
		e.end(j.Priority)
		return ErrUnwanted
	}
	return nil
}

// passage is a job on its way from its bytes to waiting windows.
type passage struct {
	e        *Engine
	ctx      context.Context
	j        *job
	began    time.Time
	size     int64         // of the blob
	spent    time.Duration // in the preprocessor, not in waiting
	told     time.Duration // of it, to the counters
	decoding atomic.Bool   // counts among the decoders
	windows  int
	steps    int64
	largest  int64 // bytes of a window
	timer    *time.Timer
	ended    atomic.Bool // by the preprocessor, or by abandon
}

// rest bounds the memory of the windows that are under way.
func (p *passage) rest() int64 { return p.largest * int64(min(p.windows, windowsInFlight)) }

// rests says that the preprocessor does not decode from now on. One that was given up may come here late: it is counted once.
func (p *passage) rests() {
	if p.decoding.CompareAndSwap(true, false) {
		p.e.end(p.j.Priority)
	}
}

// tell adds what was spent to the counters, from which the balance takes what decoding takes: with each window, as an object may take minutes.
func (p *passage) tell() {
	p.e.stats.preprocess.Add(int64(p.spent - p.told))
	p.told = p.spent
}

// run prepares the job. The deadline is for the time up to the first window, and from each to the next, that the preprocessor itself takes.
func (p *passage) run() error {
	e, j := p.e, p.j
	if name := j.Ref.Companion(); name != "" && e.cfg.Modality != schemas.Text {
		return schemas.Rejectf(schemas.ReasonSchema, "the reference has a %s, and the model takes %s", name, e.cfg.Modality)
	}
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	if e.cfg.Deadline > 0 {
		p.timer = time.AfterFunc(e.cfg.Deadline, func() {
			cancel(context.DeadlineExceeded)
			time.AfterFunc(e.cfg.Deadline, p.abandon)
		})
		defer p.timer.Stop()
	}
	_, err := guard(func() (struct{}, error) { return struct{}{}, p.samples(ctx) })
	p.spent += time.Since(p.began)
	switch {
	case err == nil && p.windows == 0:
		return schemas.Rejectf(schemas.ReasonDecode, "preprocessing gave no sample")
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return schemas.Rejectf(schemas.ReasonDecode, "preprocessing took longer than %s", e.cfg.Deadline)
	case errors.Is(err, context.Canceled):
		return p.e.ended()
	}
	return err
}

// abandon gives up a preprocessor that goes on for as long again after its context has ended, as one does that loops, or is in a library that does. Nothing can stop it: its goroutine and
// what it holds stay until it returns by itself, outside of any lease, and the job is settled without it. No window can come of it any more, since emit stops the timer that leads here, or fails.
func (p *passage) abandon() {
	if !p.ended.CompareAndSwap(false, true) {
		return
	}
	p.rests() // outside of emit it decodes, as far as one can tell
	err := schemas.Rejectf(schemas.ReasonDecode, "preprocessing took longer than %s and does not stop", 2*p.e.cfg.Deadline)
	p.e.stats.preprocess.Add(int64(2 * p.e.cfg.Deadline))
	p.e.stats.preprocessed(0, err)
	go p.e.work(p.ctx, p.e.lanes[p.j.Priority]) // in the place of the worker that hangs
	p.e.close(p.j, err)
}

// samples gives the job's samples to emit.
func (p *passage) samples(ctx context.Context) error {
	if s, ok := p.e.pre.(Streamer); ok {
		p.j.slots = make(chan struct{}, windowsInFlight)
		return s.Stream(ctx, p.j.Ref, p.j.Blob, p.emit)
	}
	all, err := p.e.pre.Preprocess(ctx, p.j.Ref, p.j.Blob)
	if err != nil {
		return err
	}
	if p.j.Held != nil {
		var samples, steps int64
		for i := range all {
			samples, steps = samples+all[i].Bytes(), steps+all[i].counting()
		}
		p.j.Blob = nil
		results := p.e.results(int64(len(all)), steps)
		p.j.Held(samples+results, p.e.took(p.size, samples, results))
	}
	p.rests()
	p.j.slots = make(chan struct{}, len(all)) // all are there anyway
	p.j.mu.rows = make([]schemas.Row, 0, len(all)*len(p.e.heads))
	for _, s := range all {
		if err := p.emit(s); err != nil {
			return err
		}
	}
	return nil
}

// emit lets a window wait for a batch, once it has a slot. The time in here is not the preprocessor's, and others may decode meanwhile.
func (p *passage) emit(s Sample) error {
	if p.timer != nil && !p.timer.Stop() {
		return context.DeadlineExceeded
	}
	p.spent += time.Since(p.began)
	p.tell()
	again := p.decoding.Load()
	p.rests()
	err := p.hand(s)
	if err == nil && again {
		if !p.e.begin(p.ctx, p.j.Priority) {
			err = p.e.ended()
		} else {
			p.decoding.Store(true)
			if !p.j.wanted() {
				err = ErrUnwanted
			}
		}
	}
	p.began = time.Now()
	if p.timer != nil {
		p.timer.Reset(p.e.cfg.Deadline)
	}
	return err
}

// hand is emit without its accounts.
func (p *passage) hand(s Sample) error {
	select {
	case p.j.slots <- struct{}{}:
	case <-p.ctx.Done():
		return p.e.ended()
	}
	if !p.j.wanted() {
		<-p.j.slots
		return ErrUnwanted
	}
	w := &window{job: p.j, at: p.windows, s: s, preprocess: p.spent, queued: time.Now()}
	p.windows++
	p.steps += s.counting()
	p.largest = max(p.largest, s.Bytes())
	p.e.open(p.j)
	if !p.e.add(p.ctx, w) {
		p.e.settle(w, nil, nil, p.e.ended())
		return p.e.ended()
	}
	return nil
}

// open makes room for one window's results.
func (e *Engine) open(j *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.open++
	j.mu.rows = append(j.mu.rows, make([]schemas.Row, len(e.heads))...)
	for h := range j.mu.parts {
		j.mu.parts[h] = append(j.mu.parts[h], nil)
	}
}
