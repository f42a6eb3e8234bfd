package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"vecmill/embed"
	"vecmill/internal/budget"
	"vecmill/schemas"
	"vecmill/sinks"
)

// Engine computes: embed.Engine, or a fake. See there for the contracts of both methods.
type Engine interface {
	Footprint(ref schemas.Ref, head []byte, size int64) (int64, error)
	Submit(ctx context.Context, j embed.Job) error
}

// StartAt says where a partition begins that has neither output nor a committed offset.
type StartAt string

// The two ends of a log.
const (
	StartFirst StartAt = "first"
	StartLast  StartAt = "last"
)

// Config is a pipeline's own settings.
type Config struct {
	Name           string
	Modality       schemas.Modality              // what it takes
	Decoder        Decoder                       // nil means schemas.ParseRef
	Where          func(Candidate) (bool, error) // which references of its modality it takes; nil means all. An error makes the record a dead letter
	Elsewhere      func(Candidate) bool          // another pipeline of this source takes the reference; nil means none does
	Carry          Carry                         // headers that go to the rows
	Precedence     []string                      // topics whose records go before those of the others, the first first
	MaxInFlight    int                           // records between being read and being the sink's
	Fetchers       int                           // fetches at once
	Budget         int64                         // bytes of fetched, decoded and computed data at once
	MaxObject      int64                         // bytes of the largest object that the fetcher gives; 0 means not known
	CommitInterval time.Duration
	StartAt        StartAt
	Breaker        BreakerConfig
	Witness        Witness      // nil means none
	Tracer         trace.Tracer // nil means none
	Log            *slog.Logger // nil means the default

	// Took is told how long each record that has rows took, from being taken in to having them; ctx has one of its traces that are kept, if there is one.
	// It must be quick and safe for concurrent use. nil means nobody.
	Took func(ctx context.Context, d time.Duration)
}

// Pipeline carries records from a source to a sink. It implements Assignments, and Spare.
type Pipeline struct {
	cfg     Config
	source  Source
	fetcher Fetcher
	engine  Engine
	sink    sinks.Sink
	dead    sinks.DeadLetters // nil: a permanent failure stops the pipeline

	budget  *budget.Budget
	raw     *budget.Budget  // records as they arrived: a reference may inline its object
	slots   chan struct{}   // one token per record in flight
	queues  []*queue        // by embed.Priority; one, if no topic goes before the others
	letters chan deadLetter // cap MaxInFlight: the engine never blocks on the dead-letter store
	breaker *breaker
	garbage *collector
	stats   counters
	broken  chan struct{} // closed by the first fault
	mu      struct {
		sync.Mutex
		epoch  *epoch
		fault  error
		fenced time.Time // when an assignment was last begun anew because an output ended elsewhere; zero: never
	}
}

// queue is the way of records of one priority to the engine, where each has workers of its own, too: none waits for a fetcher that waits for the engine with another's object.
type queue struct {
	intake  chan *flight  // cap MaxInFlight: a record that has a slot never blocks here
	fetches chan *item    // cap 0: a place in the budget is entered just before
	busy    chan struct{} // cap Fetchers: a token for each item between entering the budget and the engine
}

type deadLetter struct {
	f   *flight
	err error
}

// New assembles a pipeline. dead may be nil.
func New(cfg Config, source Source, fetcher Fetcher, engine Engine, sink sinks.Sink, dead sinks.DeadLetters) (*Pipeline, error) {
	switch {
	case cfg.Name == "":
		return nil, errors.New("pipeline: no name")
	case cfg.MaxInFlight < 1 || cfg.Fetchers < 1:
		return nil, fmt.Errorf("pipeline %s: max_in_flight and fetchers must be at least 1", cfg.Name)
	case cfg.Budget < 1 || cfg.CommitInterval <= 0:
		return nil, fmt.Errorf("pipeline %s: budget and commit_interval must be positive", cfg.Name)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider().Tracer("")
	}
	cfg.Log = cfg.Log.With("pipeline", cfg.Name)
	p := &Pipeline{
		cfg: cfg, source: source, fetcher: fetcher, engine: engine, sink: sink, dead: dead,
		budget:  budget.New(cfg.Budget, 1+min(len(cfg.Precedence), 1)),
		raw:     budget.New(max(cfg.Budget/rawShare, rawLeast), 1+min(len(cfg.Precedence), 1)),
		slots:   make(chan struct{}, cfg.MaxInFlight),
		letters: make(chan deadLetter, cfg.MaxInFlight),
		breaker: newBreaker(cfg.Breaker),
		garbage: &collector{free: debug.FreeOSMemory},
		broken:  make(chan struct{}),
	}
	for range 1 + min(len(cfg.Precedence), 1) {
		p.queues = append(p.queues, &queue{make(chan *flight, cfg.MaxInFlight), make(chan *item), make(chan struct{}, cfg.Fetchers)})
	}
	return p, nil
}

// priority of a topic's records.
func (p *Pipeline) priority(topic string) embed.Priority {
	if len(p.cfg.Precedence) == 0 || topic == p.cfg.Precedence[0] {
		return embed.Live
	}
	return embed.Backfill
}

// Run works until ctx ends or the source is exhausted, then drains (I6), and returns nil; or it returns the fault that
// stopped it, having committed what was durable. The engine must run until Run has returned; sink and dead letters are closed by the caller
// afterwards. Run is called once.
func (p *Pipeline) Run(ctx context.Context) error {
	poll, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-p.broken:
			stopPolling()
		case <-work.Done():
		}
	})
	for _, q := range p.queues {
		wg.Go(func() { p.dispatch(work, q) })
		for range p.cfg.Fetchers {
			wg.Go(func() { p.fetchLoop(work, q) })
		}
	}
	for range deadLetterWriters {
		wg.Go(func() { p.letterLoop(work) })
	}
	err := p.source.Run(poll, p)
	p.Lost() // nothing, unless the source ended without saying so
	for range p.cfg.MaxInFlight {
		p.slots <- struct{}{} // every record has given up what it held
	}
	stopWork()
	wg.Wait()
	if fault := p.fault(); fault != nil {
		err = fault
	}
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", p.cfg.Name, err)
	}
	return nil
}

// fail stops the pipeline: polling ends, what is durable is committed, nothing else is. The first fault is the one that Run returns.
func (p *Pipeline) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.fault == nil {
		p.mu.fault = err
		close(p.broken)
	}
}

func (p *Pipeline) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.fault
}

// Records may take a part of the budget, beside it, from being read until they have rows or a letter; at least so much that several are in flight.
const (
	rawShare = 4
	rawLeast = 64 << 10
)

// Records implements Assignments: it takes a slot and memory for each record, tracks it, and queues it.
func (p *Pipeline) Records(ctx context.Context, part Partition, recs []Record, next int64) error {
	ep := p.current()
	if ep == nil {
		return errors.New("records without an assignment")
	}
	for i := range recs {
		turn, err := ep.turns.take(ctx, ep.ctx, part)
		if err != nil {
			return err
		}
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			turn()
			return ctx.Err()
		case <-ep.ctx.Done():
			turn()
			return context.Canceled
		}
		raw, err := p.admit(ctx, part, &recs[i])
		if err == nil {
			err = p.accept(ctx, ep, part, recs[i], raw, turn)
		}
		if err != nil {
			raw.Release()
			<-p.slots
			turn()
			return err
		}
	}
	ep.tracker.Pass(part, next, Skipped)
	return nil
}

// admit waits until a record's own bytes fit; one that is larger than all there is comes in alone. Like slots, these bytes are only held by records that
// finish without waiting for more of them.
func (p *Pipeline) admit(ctx context.Context, part Partition, rec *Record) (*budget.Lease, error) {
	n := 2 * int64(len(rec.Key)+len(rec.Value)) // once as it is, once more as parsed
	return p.raw.Enter(int(p.priority(part.Topic)), false).Reserve(ctx, min(n, p.raw.Total()))
}

// Removed implements Assignments.
func (p *Pipeline) Removed(part Partition, next int64) {
	if ep := p.current(); ep != nil {
		p.stats.lost.Add(ep.tracker.Pass(part, next, Lost))
	}
}

// Ends implements Assignments.
func (p *Pipeline) Ends(part Partition, end int64) {
	if ep := p.current(); ep != nil {
		ep.tracker.Ends(part, end)
	}
}

// accept reads one record's references and takes it. It may wait for a schema; nothing is tracked yet then.
func (p *Pipeline) accept(ctx context.Context, ep *epoch, part Partition, rec Record, raw *budget.Lease, turn func()) error {
	refs, refused, err := p.decode(ctx, part, &rec)
	if err != nil {
		return err
	}
	return p.take(&flight{epoch: ep, part: part, rec: rec, raw: raw, turn: turn}, refs, refused)
}

// take tracks one record and sends it on its way. It does not block: the record has a slot, and the queues have room for every slot.
func (p *Pipeline) take(f *flight, refs []schemas.Ref, refused error) (err error) {
	if f.ticket, err = f.epoch.tracker.Track(Position{f.part, f.rec.Offset}, func() { p.free(f) }); err != nil {
		return err
	}
	p.stats.records.Add(1)
	switch {
	case f.rec.Value == nil:
		f.deletes = []string{tombstone(f.rec.Key)}
	case p.replayedElsewhere(f.rec.Headers): // a copy of a record that this pipeline has had
	case refused != nil:
		p.refuse(f, refused)
		return nil
	default:
		if err := p.route(f, refs); err != nil {
			p.refuse(f, err)
			return nil
		}
	}
	if len(f.items) == 0 {
		p.stats.skipped.Add(1)
		f.ticket.SettleDeletion(f.deletes...)
		return nil
	}
	f.begin()
	p.stats.unfetched.Add(int64(len(f.items)))
	p.queues[p.priority(f.part.Topic)].intake <- f
	return nil
}

// replayedElsewhere says whether the record is a replay of another pipeline's dead letter: only the pipeline that gave the letter takes it. A
// header that is no origin says nothing.
func (p *Pipeline) replayedElsewhere(headers []sinks.Header) bool {
	for _, h := range headers {
		if h.Key != schemas.ReplayHeader {
			continue
		}
		if o, err := schemas.ParseOrigin(string(h.Value)); err == nil {
			return o.Source.Pipeline != p.cfg.Name
		}
	}
	return false
}

// deletedBefore says whether the deletions of a replayed record stand at the offset of an earlier letter of it.
func (p *Pipeline) deletedBefore(headers []sinks.Header) bool {
	v, ok := header(headers, schemas.DeletedHeader)
	o, err := schemas.ParseOrigin(string(v))
	return ok && err == nil && o.Source.Pipeline == p.cfg.Name
}

// deletedAt are a letter's headers, and the one that says that its record's deletions stand at its offset.
func deletedAt(l *sinks.Letter) []sinks.Header {
	return append(slices.Clip(l.Headers), sinks.Header{Key: schemas.DeletedHeader, Value: []byte(l.Origin().String())})
}

// free gives back what a record holds. The tracker calls it once.
func (p *Pipeline) free(f *flight) {
	for _, it := range f.items {
		it.lease.Release()
	}
	f.raw.Release()
	<-p.slots
	f.turn()
}

// dispatch enters a queue's records into the budget's order one at a time, each when a fetcher is free for it: places follow the order in which
// records get fetchers, which is what makes waiting for memory free of deadlock (see internal/budget).
func (p *Pipeline) dispatch(ctx context.Context, q *queue) {
	for {
		select {
		case f := <-q.intake:
			for i, it := range f.items {
				q.busy <- struct{}{} // the fetchers outlive every record
				it.place = p.budget.Enter(int(p.priority(f.part.Topic)), i+1 < len(f.items))
				q.fetches <- it
			}
		case <-ctx.Done():
			return
		}
	}
}
