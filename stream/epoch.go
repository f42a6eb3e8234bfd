package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vecmill/schemas"
	"vecmill/sinks"
)

// epoch is one assignment from Assigned to Revoked or Lost. Its context ends at the fence, and with it everything that is still being
// done for it.
type epoch struct {
	p         *Pipeline
	ctx       context.Context // cancelled at the fence
	end       context.CancelFunc
	tracker   *Tracker
	turns     *turns
	committer Committer
	releasers sync.WaitGroup
	commits   struct {
		stop context.CancelFunc
		done chan struct{} // closed when the commit loop has returned
	}
	mu struct {
		sync.Mutex
		traced   []uncommitted // durable, for the traces that wait for their commit
		waiting  int           // the number of these traces
		held     []*flight     // records that cannot be settled because the system failed; dropped at the fence
		refusals int           // releases whose refused records are being buried
		outpaced bool          // a sink has said that its output ends elsewhere: the assignment is to end
		quiet    chan struct{} // closed when refusals comes down to 0; nil until asked for
	}
}

// Assigned implements Assignments: it asks the sink where its output ends, which is the truth, and falls back on the group's offset.
func (p *Pipeline) Assigned(ctx context.Context, c Committer, parts map[Partition]Bounds) (map[Partition]int64, error) {
	start, err := p.resumeAll(ctx, c, parts)
	if err != nil {
		for part := range parts { // some of which the sink may have resumed
			p.sink.Forget(schemas.SourceID{Pipeline: p.cfg.Name, Topic: part.Topic, Partition: part.ID})
		}
		return nil, err
	}
	committed := make(map[Partition]int64, len(parts))
	for part, b := range parts {
		committed[part] = b.Committed
	}
	p.pinStart(ctx, c, start, committed)
	ep := p.newEpoch(ctx, c, NewTracker(p.cfg.Name, start, committed))
	for part, b := range parts {
		if b.End != EndUnknown {
			ep.tracker.Ends(part, b.End)
		}
		if next := start[part]; next < b.First {
			p.cfg.Log.Error("records were removed by the log's retention before they were read; they are lost",
				"partition", part.String(), "first", next, "next", b.First)
			p.stats.lost.Add(ep.tracker.Pass(part, b.First, Lost))
			start[part] = b.First
		}
		ep.releasers.Go(func() { ep.releaseLoop(part) })
	}
	p.mu.Lock()
	p.mu.epoch = ep
	p.mu.Unlock()
	p.stats.assignments.Add(1)
	if len(parts) > 0 {
		p.stats.writers.Store(int64(len(parts)))
	}
	p.cfg.Log.Info("assigned", "partitions", len(parts))
	return start, nil
}

// Spare implements Spare.
func (p *Pipeline) Spare() { p.stats.assignments.Add(1) }

// Joined says whether the source has ever given this pipeline an assignment, or said that there are no partitions for it.
func (p *Pipeline) Joined() bool { return p.stats.assignments.Load() > 0 }

// pinStart commits the places that start_at: last has chosen (the end of a log, or the beginning of an added one), before anything is read from them. Nobody else knows them: after a crash, the next
// owner would choose again, behind the records that came meanwhile (I8). If it fails, the commit loop goes on trying.
func (p *Pipeline) pinStart(ctx context.Context, c Committer, start, committed map[Partition]int64) {
	chosen := map[Partition]int64{}
	for part, next := range start {
		if p.cfg.StartAt == StartLast && committed[part] < 0 {
			chosen[part] = next
		}
	}
	if len(chosen) == 0 {
		return
	}
	if err := c.Commit(ctx, chosen); err != nil {
		p.cfg.Log.Warn("the place to start could not be committed yet; a crash before it is would choose another", "err", err)
		return
	}
	maps.Copy(committed, chosen)
}

func (p *Pipeline) newEpoch(ctx context.Context, c Committer, t *Tracker) *epoch {
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	ep := &epoch{p: p, ctx: ctx, end: end, tracker: t, turns: newTurns(p.cfg.MaxInFlight, t.Partitions(), p.cfg.Precedence), committer: c}
	loop, stop := context.WithCancel(ctx)
	ep.commits.stop, ep.commits.done = stop, make(chan struct{})
	go func() {
		defer close(ep.commits.done)
		ep.commitLoop(loop)
	}()
	return ep
}

// resumers is how many partitions are looked up in the sink at once: each look-up is a listing of a store.
const resumers = 8

func (p *Pipeline) resumeAll(ctx context.Context, c Committer, parts map[Partition]Bounds) (map[Partition]int64, error) {
	var mu sync.Mutex
	start := make(map[Partition]int64, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(resumers)
	for part, b := range parts {
		g.Go(func() error {
			next, err := p.resume(ctx, c, part, b)
			mu.Lock()
			defer mu.Unlock()
			start[part] = next
			return err
		})
	}
	return start, g.Wait()
}

func (p *Pipeline) resume(ctx context.Context, c Committer, part Partition, b Bounds) (int64, error) {
	src := schemas.SourceID{Pipeline: p.cfg.Name, Topic: part.Topic, Partition: part.ID}
	next, known, err := p.sink.Resume(ctx, src, max(b.Committed, 0))
	switch {
	case err != nil:
		return 0, fmt.Errorf("asking the sink where the output of %s ends: %w", src, err)
	case known:
		return next, p.inLog(ctx, c, part, next, b.End)
	case next > 0: // one output of several ends there
		return min(next, p.begin(b)), p.inLog(ctx, c, part, next, b.End)
	}
	return p.begin(b), nil
}

// begin is where a partition begins of which the output does not know where it ends.
func (p *Pipeline) begin(b Bounds) int64 {
	switch {
	case b.Committed >= 0:
		return b.Committed
	case p.cfg.StartAt == StartLast && !b.Added:
		return b.End
	}
	return b.First
}

// ErrBeyondEnd says that the output ends beyond the end of the log: the topic was deleted and made again. A topic that was made again and has grown past the output's end is not told from the old one: Kafka's offsets are all that there is to compare.
var ErrBeyondEnd = errors.New("the topic was deleted and made again; give the pipeline a new name to start a new chain of output")

// inLog refuses an output that ends beyond the log. The log's end was looked up before the output's, and a zombie may have written in between what
// came after it: so the end is looked up again before the log is called another one.
func (p *Pipeline) inLog(ctx context.Context, c Committer, part Partition, next, end int64) error {
	if f, ok := c.(EndFinder); ok && next > end {
		now, err := f.End(ctx, part)
		if err != nil {
			return fmt.Errorf("looking up the end of %s again: %w", part, err)
		}
		end = now
	}
	if next > end {
		return fmt.Errorf("the output of %s ends at offset %d, beyond the end of the log (%d): %w", part, next, end, ErrBeyondEnd)
	}
	return nil
}

func (p *Pipeline) current() *epoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.epoch
}

// retire takes the current assignment out, so that it ends once.
func (p *Pipeline) retire() *epoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	ep := p.mu.epoch
	p.mu.epoch = nil
	return ep
}

// lastCommit is how long the commit at the end of an assignment may take, also when draining has used up its time.
const lastCommit = 5 * time.Second

// Revoked implements Assignments: settle, flush, fence, commit (I6).
func (p *Pipeline) Revoked(ctx context.Context) {
	ep := p.retire()
	if ep == nil {
		return
	}
	began := time.Now()
	err := ep.drain(ctx)
	points := ep.fence()
	if len(points) > 0 { // I3: the snapshot of the fence, and nothing after it
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
		err = errors.Join(err, ep.commit(last, points))
		cancel()
	}
	ep.forget()
	p.cfg.Log.Info("revoked", "took", time.Since(began).Round(time.Millisecond), "late", ep.tracker.Late(), "err", err)
}

// Lost implements Assignments.
func (p *Pipeline) Lost() {
	ep := p.retire()
	if ep == nil {
		return
	}
	ep.fence()
	ep.forget()
	p.stats.losses.Add(1)
	p.cfg.Log.Warn("assignment lost: another worker may own its partitions already; work in flight is dropped")
}

// lastFlush is how long a drain that was cut off, rather than given a deadline, may take to make durable what is settled.
const lastFlush = 10 * time.Second

// settling is the part of a drain's time in which records may still be settled; the rest is for making durable what is.
const settling = 0.75

// drain waits until every tracked record is the sink's, and then until it is durable there. If time runs short it gives up the records that are
// not settled, and still has the finished ones made durable: their rows are work that the next owner would do again (I6).
func (ep *epoch) drain(ctx context.Context) error {
	settle, cancel := settleBefore(ctx)
	defer cancel()
	var late error
	select {
	case <-ep.tracker.Drained():
	case <-ep.p.broken:
	case <-settle.Done():
		late = fmt.Errorf("draining: %d records not settled in time: %w", ep.tracker.InFlight(), settle.Err())
	}
	select {
	case <-ep.p.broken: // also if more than this is so: a select of several draws lots
		return errors.New("draining: the pipeline has failed")
	default:
	}
	flush := ctx
	if _, timed := ctx.Deadline(); !timed && ctx.Err() != nil { // it was cut off, and so had no time to keep back
		var done context.CancelFunc
		flush, done = context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
		defer done()
	}
	if flush.Err() != nil {
		return late
	}
	if err := ep.p.sink.Flush(flush); err != nil {
		return errors.Join(late, fmt.Errorf("draining: flushing: %w", err))
	}
	select {
	case <-ep.buried():
	case <-ep.p.broken:
	case <-flush.Done():
	}
	return late
}

// settleBefore is ctx with its share of the time that is left; ctx itself if it has no deadline.
func settleBefore(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(settling*float64(time.Until(end))))
}

// fence ends the epoch: nothing is committed for it afterwards but the returned points. It waits for its goroutines.
func (ep *epoch) fence() map[Partition]int64 {
	ep.commits.stop()
	<-ep.commits.done // a commit that is on its way must not land after the fence's own
	points := ep.tracker.Fence()
	ep.p.stats.abandoned.Add(int64(ep.tracker.Abandoned()))
	ep.end()
	ep.mu.Lock()
	held := ep.mu.held
	ep.mu.held = nil
	ep.mu.Unlock()
	for _, f := range held {
		f.ticket.Drop()
	}
	ep.releasers.Wait()
	<-ep.buried() // their context is over
	return points
}

// forget lets the sink drop what it still buffers for the epoch's partitions; their next owner computes it again.
func (ep *epoch) forget() {
	for _, part := range ep.tracker.Partitions() {
		ep.p.sink.Forget(schemas.SourceID{Pipeline: ep.p.cfg.Name, Topic: part.Topic, Partition: part.ID})
	}
}

// hold keeps a record unsettled until the fence.
func (ep *epoch) hold(f *flight) {
	ep.mu.Lock()
	fenced := ep.ctx.Err() != nil
	if !fenced {
		ep.mu.held = append(ep.mu.held, f)
	}
	ep.mu.Unlock()
	if fenced {
		f.ticket.Drop()
	}
}

// releaseLoop hands settled records of one partition to the sink, in order.
func (ep *epoch) releaseLoop(part Partition) {
	ready := ep.tracker.Ready(part)
	for {
		select {
		case <-ready:
		case <-ep.ctx.Done():
			return
		}
		for {
			r, ok := ep.tracker.Release(part)
			if !ok {
				break
			}
			ep.p.stats.released(r)
			err := ep.p.sink.Write(ep.ctx, r.Range, r.Rows, func(err error) { ep.written(r, err) })
			ep.p.stats.write.End()
			ep.tracker.Written(r)
			if err != nil {
				ep.written(r, err)
				if !errors.Is(err, sinks.ErrFenced) {
					return
				}
				// The sink refuses what follows, too, until it is resumed. It is handed over all the same: the drain waits until every record is.
			}
		}
	}
}

// written is the sink's word on one release.
func (ep *epoch) written(r *Release, err error) {
	switch {
	case err == nil:
		ep.p.stats.durable.Add(int64(r.records) * time.Since(r.began).Microseconds())
		ep.wrote(r)
		ep.tracker.Durable(r)
	case sinks.AsRefused(err) != nil:
		ep.refused(r, sinks.AsRefused(err))
	case ep.ctx.Err() != nil:
		// The range is, or will be, another owner's. The commit point stays before it.
	case errors.Is(err, sinks.ErrFenced):
		ep.outpaced(r, err)
	default:
		ep.p.fail(r.failed(err))
	}
}

func (ep *epoch) commitLoop(ctx context.Context) {
	tick := time.NewTicker(ep.p.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		points := ep.tracker.Points()
		if len(points) == 0 {
			continue
		}
		if err := ep.commit(ctx, points); err != nil {
			ep.tracker.Uncommitted(points)
			if ctx.Err() != nil {
				return // the fence commits them
			}
			ep.p.cfg.Log.Warn("commit failed; the output is safe, and the next commit covers it", "err", err)
		}
	}
}

func (ep *epoch) commit(ctx context.Context, points map[Partition]int64) error {
	if err := ep.committer.Commit(ctx, points); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	ep.p.stats.commits.Add(1)
	ep.committed(points)
	return nil
}
