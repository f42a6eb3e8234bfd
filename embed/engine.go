package embed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"vecmill/schemas"
)

// ErrStopped is what jobs get that an engine could not finish because it was stopped; ErrUnwanted what those get that nobody waited for any more. ErrBroken is among the
// causes of ErrStopped where the engine stopped by itself: a session no longer computes what it has computed.
var (
	ErrStopped  = errors.New("the engine was stopped")
	ErrUnwanted = errors.New("nobody waits for the result any more")
	ErrBroken   = errors.New("a session of the model is broken")
)

// EngineConfig sizes an engine.
type EngineConfig struct {
	Model        string           // name in rows
	ModelDigest  string           // of the graph, hex, in rows ([model.Graph.Digest])
	Modality     schemas.Modality // of all objects: what the rows say. What comes beside a text in a reference (a question, a second text) is refused of others
	Batch        BatcherConfig    // what a batch may be, and how long items wait for one
	Shapes       Shapes           // that batches are padded to; the zero value: to their longest item
	Devices      []string         // by session: the device that it runs on. What batches take is learnt of each device by itself; nil: all sessions are on one, ""
	Packing      *Packing         // how batches are packed, if the sessions' graph is one of packed rows; nil: each sample is a row, padded
	Preprocessor int              // preprocess workers of each priority, at least 1
	Balance      bool             // as many of these decode at once as keep up with the sessions; else always all
	Decoders     int              // with Balance: that kept up in an earlier run, with which this one begins (Stats.Decoders); 0: not known, and all do
	RowReserve   int64            // bytes to reserve for the rows of each window, on top of the preprocessor's footprint and of what a Keeper tells
	Deadline     time.Duration    // per item, for preprocessing; 0 means none
	Reuse        int64            // bytes of results that are kept for content that comes again; 0 computes each object
	Past         Past             // gives results of earlier runs, with Reuse; nil: there are none
	Tracer       trace.Tracer     // nil means none
	Costs        Costs            // that were learnt of such devices before, seconds: each begins with them. The zero value: none were
	Trial        []Sample         // that every session is known to compute, as numbers; nil: none is known before a batch has been computed

	Took  func(ctx context.Context, d time.Duration) // told how long a session took for each batch; ctx has the batch's trace, if it is kept. Quick, and safe for concurrent use; nil means nobody
	FLOPs func(steps int) float64                    // floating-point operations of a sample, or of each of its rows, of so many steps, for Stats and as what the costs of batches are first taken for; nil: not counted
}

// Job is one fetched object on its way through an engine.
type Job struct {
	Ref      schemas.Ref                         // what the rows are of
	Blob     []byte                              // the object's bytes, the engine's from Submit on: they are read until Done is called, and must not be changed before
	Content  string                              // identifies the blob among all there are, such as its SHA-256; "" means that it is computed whatever came before
	Priority Priority                            // who goes first where jobs wait for each other
	Trace    trace.SpanContext                   // of the record; what becomes of the job is told there, if it is sampled
	Wanted   func() bool                         // asked before work begins; once it says no, the job may end with ErrUnwanted. nil means always
	Held     func(bytes, took int64)             // told when the job's memory has gone down to bytes, of which no more than took were really taken in this process, see Taker; may be nil
	Done     func(rows []schemas.Row, err error) // called exactly once (I5); rows are in order of window, then head; must not block for long
}

// Engine runs one model: preprocess pool, batcher, and executors, one per session or as many as shall run one at once. Rows come back with the part of their
// lineage that embed knows: modality, model, digests, head, task, window, timings of its stages.
type Engine struct {
	cfg      EngineConfig
	pre      Preprocessor
	sessions []*runner
	devices  []string // each once, in the order of its first session
	heads    []Head
	joiners  []Joiner // by head; nil if no head joins
	perStep  int64    // bytes that heads keep of a step, see Keeper
	lanes    [priorities]chan *job
	wake     chan struct{} // cap 1: something changed for a feeder without a batch under way
	ahead    chan struct{} // likewise, for one with
	stopped  chan struct{} // closed when Run stops taking jobs
	stats    counters
	workers  sync.WaitGroup // preprocess workers
	floats   Floats         // of collated batches
	reuse    *reuse         // nil: every object is computed
	mu       struct {
		sync.Mutex
		halt     context.CancelFunc // of Run; nil before it
		fault    error              // why the engine stopped by itself
		batcher  former
		arrivals [priorities][]*arrival // windows that wait until the batcher has room, the first first
		costs    []*CostModel           // by device: of its sessions, as they are while all of them are busy
		idle     []int                  // by device: executors that wait for a batch and have none under way
		closed   bool                   // no more jobs
		decoders decoders
	}
	submitting sync.WaitGroup // Submit calls that passed the check of closed
}

// former forms batches of windows that wait: a [Batcher] or a [Packer].
type former interface {
	Add(now time.Time, p Priority, rows, length int, w *window)
	Next(now time.Time) (*Batch[*window], time.Duration)
	Expect(c Costs, known bool)
	Len() int
	Steps() int
	Full(p Priority) bool
	Drain() []*window
}

type job struct {
	Job
	offered time.Time
	slots   chan struct{} // cap: windows that may be under way. A window of this job holds one from when it is handed over until it is settled
	mu      struct {
		sync.Mutex
		rows  []schemas.Row // by window, then head
		parts [][]any       // of heads that join: by head, then by window
		open  int           // windows not settled, and one more while windows are still to come
		err   error
	}
}

func (j *job) wanted() bool { return j.Wanted == nil || j.Wanted() }

type window struct {
	job        *job
	at         int // its number in the job
	s          Sample
	preprocess time.Duration // of the job, up to this window
	queued     time.Time
}

// LaneDepth is how many submitted objects may wait for each preprocess worker: enough that one never waits for a fetcher's next turn.
const LaneDepth = 4

// NewEngine assembles an engine. Sessions run the same model; each gets an executor, and one that is there several times as many, which run it at once. The engine closes neither sessions nor heads.
//
// Refused are an engine without a session, a head or a preprocess worker, devices of another number of sessions, and bounds of batches and shapes that make no sense (their Validate). That sessions, preprocessor and heads are of one model is not looked at: what does not fit fails with the first batch.
func NewEngine(cfg EngineConfig, pre Preprocessor, sessions []Session, heads []Head) (*Engine, error) {
	switch {
	case len(sessions) == 0:
		return nil, fmt.Errorf("engine %s: no session", cfg.Model)
	case len(cfg.Devices) > 0 && len(cfg.Devices) != len(sessions):
		return nil, fmt.Errorf("engine %s: devices of %d sessions, and there are %d", cfg.Model, len(cfg.Devices), len(sessions))
	case len(heads) == 0:
		return nil, fmt.Errorf("engine %s: no head", cfg.Model)
	case cfg.Preprocessor < 1:
		return nil, fmt.Errorf("engine %s: no preprocess worker", cfg.Model)
	}
	if err := cfg.Batch.Validate(); err != nil {
		return nil, fmt.Errorf("engine %s: batch: %w", cfg.Model, err)
	}
	if err := cfg.Shapes.Validate(); err != nil {
		return nil, fmt.Errorf("engine %s: shapes: %w", cfg.Model, err)
	}
	if cfg.FLOPs == nil {
		cfg.FLOPs = func(int) float64 { return 0 }
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider().Tracer("")
	}
	e := &Engine{
		cfg: cfg, pre: pre, heads: heads, joiners: joiners(heads),
		wake:    make(chan struct{}, 1),
		ahead:   make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	for p := range e.lanes {
		e.lanes[p] = make(chan *job, LaneDepth*cfg.Preprocessor)
	}
	for _, h := range heads {
		if k, ok := h.(Keeper); ok {
			row, step := k.Keeps()
			e.cfg.RowReserve += row
			e.perStep += step
		}
	}
	e.mu.batcher = NewBatcher[*window](cfg.Batch, cfg.Shapes)
	if cfg.Packing != nil {
		e.mu.batcher = NewPacker[*window](cfg.Batch, cfg.Packing)
	}
	begin := 0
	if cfg.Balance {
		begin = cfg.Decoders
	}
	e.mu.decoders.balance = newBalance(cfg.Preprocessor, begin)
	if cfg.Reuse > 0 {
		e.reuse = newReuse(cfg.Reuse)
	}
	for i, s := range sessions {
		trial, _, err := e.trial()
		if err != nil {
			return nil, fmt.Errorf("engine %s: trial: %w", cfg.Model, err)
		}
		r := &runner{session: s, device: e.device(i), known: make(chan []Tensor, 1)}
		r.known <- trial
		e.sessions = append(e.sessions, r)
	}
	return e, nil
}

// Footprint is the memory to reserve for an object before it is fetched: see Preprocessor.Footprint, plus its rows.
func (e *Engine) Footprint(ref schemas.Ref, head []byte, size int64) (int64, error) {
	n, err := guard(func() (int64, error) { return e.pre.Footprint(ref, head, size) })
	if err != nil {
		return 0, err
	}
	windows, steps := int64(1), int64(0)
	if x, ok := e.pre.(Extender); ok {
		windows, steps = x.Extent(ref, head, size)
	}
	results := e.results(max(windows, 1), steps)
	if x, ok := e.pre.(Clearer); ok {
		results = max(results-x.Clears(ref, head, size), 0)
	}
	return n + results, nil
}

// results bounds the memory of what heads make of an object of so many windows, with so many steps in all of them.
func (e *Engine) results(windows, steps int64) int64 {
	return windows*e.cfg.RowReserve + steps*e.perStep
}

// Submit hands a job over and blocks while the engine is full. nil means that Done will be called exactly once; an error means that it won't.
func (e *Engine) Submit(ctx context.Context, j Job) error {
	if e.reuse != nil && j.Content != "" {
		return e.submitOnce(ctx, j)
	}
	return e.submit(ctx, j)
}

func (e *Engine) submit(ctx context.Context, j Job) error {
	e.mu.Lock()
	if e.mu.closed {
		e.mu.Unlock()
		return e.ended()
	}
	e.submitting.Add(1)
	e.mu.Unlock()
	defer e.submitting.Done()
	e.stats.undecoded.Add(1)
	select {
	case e.lanes[j.Priority] <- &job{Job: j, offered: time.Now()}:
		return nil
	case <-ctx.Done():
		e.stats.undecoded.Add(-1)
		return ctx.Err()
	case <-e.stopped:
		e.stats.undecoded.Add(-1)
		return e.ended()
	}
}

// Run works until ctx ends, or a session turns out to be broken, then fails with ErrStopped what is unfinished and returns once every Done has been called. It is
// called once.
func (e *Engine) Run(ctx context.Context) {
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	e.mu.Lock()
	e.mu.halt = halt
	e.mu.Unlock()
	var executors sync.WaitGroup
	for _, lane := range e.lanes {
		for range e.cfg.Preprocessor { // each priority has workers of its own: those of the backfill may all wait for room in its window
			e.workers.Add(1)
			go e.work(ctx, lane)
		}
	}
	for _, s := range e.sessions {
		executors.Go(func() { e.execute(ctx, s) })
	}
	<-ctx.Done()
	e.mu.Lock()
	e.mu.closed = true
	e.mu.Unlock()
	close(e.stopped)
	e.submitting.Wait()
	e.workers.Wait()
	executors.Wait()
	e.failRest()
	if e.reuse != nil {
		e.reuse.waiters.Wait() // who computed for them has ended
	}
}

// failRest settles what nobody works on any more: queued jobs and waiting windows.
func (e *Engine) failRest() {
	e.mu.Lock()
	rest := e.mu.batcher.Drain()
	e.mu.Unlock()
	for _, w := range rest {
		e.settle(w, nil, nil, e.ended())
	}
	for {
		select {
		case j := <-e.lanes[Live]:
			e.stats.admitted(j.offered)
			j.Done(nil, e.ended())
		case j := <-e.lanes[Backfill]:
			e.stats.admitted(j.offered)
			j.Done(nil, e.ended())
		default:
			return
		}
	}
}

// work is a preprocess worker of a lane. One that hangs in an object is given up, see abandon: another has its place then, and is waited for in its stead.
func (e *Engine) work(ctx context.Context, lane chan *job) {
	for {
		select {
		case j := <-lane:
			if !e.preprocess(ctx, j) {
				return
			}
		case <-ctx.Done():
			e.workers.Done()
			return
		}
	}
}

// settle records the outcome of one window (I5): its rows, and its parts by head.
func (e *Engine) settle(w *window, rows []schemas.Row, parts []any, err error) {
	j := w.job
	j.mu.Lock()
	if rows != nil {
		copy(j.mu.rows[w.at*len(e.heads):], rows)
		for h := range parts {
			j.mu.parts[h][w.at] = parts[h]
		}
	}
	j.mu.Unlock()
	<-j.slots
	e.close(j, err)
}

// close takes one off what a job waits for, and hands it back when that was the last.
func (e *Engine) close(j *job, err error) {
	j.mu.Lock()
	if err != nil && j.mu.err == nil {
		j.mu.err = err // the first failure sticks
	}
	j.mu.open--
	last, err := j.mu.open == 0, j.mu.err
	j.mu.Unlock()
	if !last {
		return
	}
	var rows []schemas.Row
	if err == nil {
		rows, err = e.join(j)
	}
	if err != nil {
		j.Done(nil, err)
		return
	}
	j.Done(rows, nil)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// guard turns a panic of a decoder, a session or a head into one record's permanent failure.
func guard[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = schemas.Rejectf(schemas.ReasonPanic, "panic: %v", p)
		}
	}()
	return f()
}
