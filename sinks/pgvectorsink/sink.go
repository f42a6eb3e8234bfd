package pgvectorsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

// ErrClosed is what Write and Resume give after Close.
var ErrClosed = errors.New("pgvector sink: closed")

// Sink implements sinks.Sink on PostgreSQL. Create it with Open.
type Sink struct {
	cfg Config
	db  store
	wg  sync.WaitGroup
	run context.Context // ends when Close gives up
	end context.CancelFunc

	mu struct {
		sync.Mutex
		lanes  map[schemas.SourceID]*lane
		closed bool
		held   int64         // estimated bytes of rows that are buffered
		freed  chan struct{} // closed, and made anew, whenever held shrinks or the sink closes
	}
}

func newSink(cfg Config, db store) *Sink {
	s := &Sink{cfg: cfg, db: db}
	s.run, s.end = context.WithCancel(context.Background())
	s.mu.lanes, s.mu.freed = map[schemas.SourceID]*lane{}, make(chan struct{})
	return s
}

// Resume reads the source's stored offset.
func (s *Sink) Resume(ctx context.Context, src schemas.SourceID, _ int64) (next int64, known bool, err error) {
	if stopped := s.giveUp(src); stopped != nil {
		select {
		case <-stopped: // should its transaction land later all the same, it is another writer like any (P1)
		case <-ctx.Done():
			return 0, false, fmt.Errorf("resuming %s: %w", src, ctx.Err())
		}
	}
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.Unlock()
	if closed {
		return 0, false, ErrClosed
	}
	err = s.patiently(ctx, func(ctx context.Context) (err error) {
		next, known, err = s.db.next(ctx, src)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("resuming %s: %w", src, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, false, ErrClosed
	}
	s.mu.lanes[src] = newLane(src, next, known)
	return next, known, nil
}

func (s *Sink) patiently(ctx context.Context, f func(context.Context) error) error {
	tries, err := retry.Do(ctx, s.cfg.Retry, permanent, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		return f(ctx)
	})
	if err != nil && tries > 1 {
		return fmt.Errorf("after %d tries: %w", tries, err)
	}
	return err
}

// Write buffers a range. It blocks while the buffers are full.
func (s *Sink) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	e := entry{batch: batch{r, rows}, done: done, bytes: 256 + 16*int64(len(r.Dead)+len(r.Skipped)+len(r.Lost)) + schemas.DeletionBytes(r.Deletes)}
	if err := s.check(&e); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		l := s.mu.lanes[r.Source]
		if err := s.acceptsLocked(l, r); err != nil {
			s.mu.Unlock()
			return err
		}
		if s.mu.held == 0 || s.mu.held+e.bytes <= s.cfg.MaxBuffered {
			covered := s.appendLocked(l, e)
			s.mu.Unlock()
			if covered {
				done(nil)
			}
			return nil
		}
		for _, l := range s.mu.lanes {
			s.kickLocked(l)
		}
		freed := s.mu.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for memory to buffer offsets %d to %d of %s: %w", r.First, r.Next-1, r.Source, ctx.Err())
		}
	}
}

// check looks at what can be seen of a range without the server, and measures it.
func (s *Sink) check(e *entry) error {
	r := &e.r
	if r.First < 0 || r.First >= r.Next {
		return fmt.Errorf("writing %s: the range [%d, %d) is empty or negative", r.Source, r.First, r.Next)
	}
	for i := range e.rows {
		row := &e.rows[i]
		if row.Offset < r.First || row.Offset >= r.Next {
			return fmt.Errorf("writing %s: a row of offset %d in the range [%d, %d)", r.Source, row.Offset, r.First, r.Next)
		}
		if err := s.cfg.fits(row); err != nil {
			return schemas.Rejectf(schemas.ReasonSinkReject, "writing %s: offset %d: %w", r.Source, row.Offset, err)
		}
		e.bytes += row.Size()
	}
	return nil
}

// Check implements sinks.Checker.
func (s *Sink) Check(r *schemas.Row) error { return s.cfg.fits(r) }

// fits says why the table does not take a row.
func (c *Config) fits(r *schemas.Row) error {
	switch {
	case !slices.Contains(c.Tasks, r.Task):
		return fmt.Errorf("a row of task %q, and table %s has columns for %v", r.Task, c.Table, c.Tasks)
	case r.ModelDigest != c.ModelDigest:
		return fmt.Errorf("a row of model %s, and table %s has rows of model %s; vectors of two models cannot be compared: give each a table of its own", r.ModelDigest, c.Table, c.ModelDigest)
	case len(r.Vector) > 0 && len(r.Vector) != c.Dimension || len(r.Half) > 0 && len(r.Half) != c.Dimension:
		return fmt.Errorf("a vector of %d numbers by head %s, and table %s takes %d; give the head a table of its own", len(r.Vector)+len(r.Half), r.Head, c.Table, c.Dimension)
	}
	for i, v := range r.Vector {
		if v-v != 0 {
			return fmt.Errorf("number %d of the vector is %v; pgvector takes finite numbers only", i, v)
		}
	}
	for i, v := range r.Half {
		if v&0x7c00 == 0x7c00 {
			return fmt.Errorf("number %d of the vector is infinite or not a number; pgvector takes finite numbers only", i)
		}
	}
	return nil
}

// acceptsLocked says why the lane cannot take r next.
func (s *Sink) acceptsLocked(l *lane, r schemas.Range) error {
	switch {
	case s.mu.closed:
		return ErrClosed
	case l == nil:
		return fmt.Errorf("writing %s: Write before Resume", r.Source)
	case l.err != nil:
		return fmt.Errorf("writing %s: %w", r.Source, l.err)
	case l.end >= 0 && r.First != l.end:
		return fmt.Errorf("writing %s: the range begins at %d, the one before ended at %d", r.Source, r.First, l.end)
	case l.end < 0 && l.next >= 0 && r.First > l.next:
		return fmt.Errorf("writing %s: the range begins at %d, but the table ends at %d; the offsets between would be lost", r.Source, r.First, l.next)
	}
	return nil
}

// Flush commits everything and waits until it is settled.
func (s *Sink) Flush(ctx context.Context) error {
	type wait struct {
		l    *lane
		upTo int64
	}
	var waits []wait
	s.mu.Lock()
	for _, l := range s.mu.lanes {
		if l.taken > l.settled {
			waits = append(waits, wait{l, l.taken})
			s.kickLocked(l)
		}
	}
	s.mu.Unlock()
	var first error
	for _, w := range waits {
		for {
			s.mu.Lock()
			settled, changed, err := w.l.settled >= w.upTo, w.l.changed, w.l.err
			s.mu.Unlock()
			if settled {
				if first == nil {
					first = err
				}
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return fmt.Errorf("flushing: %w", ctx.Err())
			}
		}
	}
	return first
}

// Forget drops what is buffered for src. A transaction under way may land all the same: Resume will know.
func (s *Sink) Forget(src schemas.SourceID) { s.giveUp(src) }

// giveUp ends the source's lane. stopped is closed when its last transaction has returned; nil if there is none.
func (s *Sink) giveUp(src schemas.SourceID) (stopped <-chan struct{}) {
	s.mu.Lock()
	l := s.mu.lanes[src]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	dropped := s.failLocked(l, sinks.ErrForgotten)
	stopped = l.running
	if l.cancel != nil {
		l.cancel()
	}
	s.mu.Unlock()
	s.settle(l, dropped, sinks.ErrForgotten)
	return stopped
}

// Close flushes, drops what could not be flushed, and lets the connections go.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.mu.closed
	s.mu.closed = true
	s.freeLocked(0)
	s.mu.Unlock()
	var err error
	if first {
		err = s.Flush(ctx)
		s.mu.Lock()
		var all []schemas.SourceID
		for src := range s.mu.lanes {
			all = append(all, src)
		}
		s.mu.Unlock()
		for _, src := range all {
			s.Forget(src)
		}
		s.end()
	}
	stopped := make(chan struct{})
	go func() {
		s.wg.Wait()
		if first {
			s.db.close()
		}
		close(stopped)
	}()
	select {
	case <-stopped:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("closing: a transaction is still under way: %w", ctx.Err()))
	}
}

// freeLocked gives n bytes back and wakes whoever waits.
func (s *Sink) freeLocked(n int64) {
	s.mu.held -= n
	close(s.mu.freed)
	s.mu.freed = make(chan struct{})
}

// due commits what has waited long enough.
func (s *Sink) due(l *lane) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(l.queue) > 0 && !time.Now().Before(l.queueDue) {
			s.kickLocked(l)
		}
	}
}
