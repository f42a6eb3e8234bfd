package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

// ErrClosed is what Write and Resume give after Close.
var ErrClosed = errors.New("the sink is closed")

// Sink implements sinks.Sink, sinks.Checker and sinks.Buffer over a Store. Create it with New.
type Sink struct {
	cfg      Config
	store    Store
	progress Progress      // the store, if it is one; else nil
	checker  sinks.Checker // likewise
	wg       sync.WaitGroup
	run      context.Context // ends when Close gives up
	end      context.CancelFunc

	mu struct {
		sync.Mutex
		lanes   map[schemas.SourceID]*lane
		flights int
		timer   *time.Timer // dispatches when the oldest range is due
		closed  bool
		memory  sinks.Memory[*lane] // estimated bytes of rows that are buffered or under way
	}
}

// New makes a sink, which owns the store from then on.
func New(c Config, store Store) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	s := &Sink{cfg: c, store: store}
	s.progress, _ = store.(Progress)
	s.checker, _ = store.(sinks.Checker)
	s.run, s.end = context.WithCancel(context.Background())
	s.mu.lanes = map[schemas.SourceID]*lane{}
	s.mu.memory = sinks.Memory[*lane]{Limit: c.MaxBuffered, Press: s.pressLocked}
	return s, nil
}

// Open asks prepare whether store is there and fits, again while its error is not final, and makes a sink of it. Otherwise it closes the store.
func Open(ctx context.Context, c Config, store Store, final func(error) bool, prepare func(context.Context) error) (*Sink, error) {
	if err := Ask(ctx, c.Name, final, prepare); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s, err := New(c, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return s, nil
}

// Ask asks a store something, again while its error is not final. What it fails with names the store, and is unreachable if the store has given no answer.
func Ask(ctx context.Context, name string, final func(error) bool, ask func(context.Context) error) error {
	tries, err := retry.Do(ctx, retry.Default(), final, ask)
	if err != nil {
		return fmt.Errorf("%s: %w (try %d)", name, schemas.Unreachable(err, final), tries)
	}
	return nil
}

// Ask is Ask of the store that c is about, with Timeout for each try.
func (c *Config) Ask(ctx context.Context, final func(error) bool, ask func(context.Context) error) error {
	return Ask(ctx, c.Name, final, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		return ask(ctx)
	})
}

// Transient takes no error for final: whatever it is, the store is asked again.
func Transient(error) bool { return false }

// Check implements sinks.Checker.
func (s *Sink) Check(row *schemas.Row) error {
	if s.checker == nil {
		return nil
	}
	return s.checker.Check(row)
}

// Resume begins a source. next is known only where the store keeps it.
func (s *Sink) Resume(ctx context.Context, src schemas.SourceID, _ int64) (next int64, known bool, err error) {
	if ended := s.giveUp(src); ended != nil {
		select {
		case <-ended: // D5: a batch of before must not land behind what is written from now on
		case <-ctx.Done():
			return 0, false, fmt.Errorf("%s: resuming %s: %w", s.cfg.Name, src, ctx.Err())
		}
	}
	if s.isClosed() {
		return 0, false, ErrClosed
	}
	if s.progress != nil {
		tries, err := retry.Do(ctx, s.cfg.Retry, isFinal, func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
			defer cancel()
			next, known, err = s.progress.Next(ctx, src)
			return err
		})
		if err != nil {
			return 0, false, fmt.Errorf("%s: resuming %s: %w (try %d)", s.cfg.Name, src, err, tries)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, false, ErrClosed
	}
	s.mu.lanes[src] = newLane(src, next, known)
	return next, known, nil
}

func (s *Sink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed
}

// Write buffers a range. It blocks while the buffers are full.
func (s *Sink) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	e := &entry{r: r, rows: rows, done: done, bytes: 256 + 16*int64(len(r.Dead)+len(r.Skipped)+len(r.Lost)) + schemas.DeletionBytes(r.Deletes)}
	if err := s.examine(e); err != nil {
		return fmt.Errorf("%s: writing %s: %w", s.cfg.Name, r.Source, err)
	}
	s.mu.Lock()
	l := s.mu.lanes[r.Source]
	err := s.admitLocked(ctx, l, e)
	if err == nil {
		s.takeLocked(l, e)
	}
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: writing %s: %w", s.cfg.Name, r.Source, err)
	}
	s.post(l)
	return nil
}

// admitLocked waits until l takes e next and there is memory for it. It lets the lock go meanwhile.
func (s *Sink) admitLocked(ctx context.Context, l *lane, e *entry) error {
	return s.mu.memory.Take(ctx, &s.mu, l, &e.r, e.bytes, func() error { return s.acceptsLocked(l, e.r) })
}

// pressLocked has what is buffered sent unless so many bytes fit beside what is held.
func (s *Sink) pressLocked(need int64) {
	if s.mu.memory.Held()+need > s.cfg.MaxBuffered {
		s.hurryLocked()
	}
}

// examine looks at what can be seen of a range without the store, and measures it. Rows that were copied from another sink were not checked before.
func (s *Sink) examine(e *entry) error {
	if e.r.First < 0 || e.r.First >= e.r.Next {
		return fmt.Errorf("the range [%d, %d) is empty or negative", e.r.First, e.r.Next)
	}
	for i := range e.rows {
		row := &e.rows[i]
		if row.Offset < e.r.First || row.Offset >= e.r.Next {
			return fmt.Errorf("a row of offset %d in the range [%d, %d)", row.Offset, e.r.First, e.r.Next)
		}
		e.bytes += row.Size()
		switch err := s.Check(row); {
		case err == nil:
		case s.progress != nil:
			return schemas.Rejectf(schemas.ReasonSinkReject, "offset %d: %w", row.Offset, err)
		default:
			e.refused = append(e.refused, sinks.RefusedOffset{Offset: row.Offset, Err: fmt.Errorf("%s: %w", s.cfg.Name, err)})
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
		return errors.New("Write before Resume")
	case l.err != nil:
		return l.err
	case l.end >= 0 && r.First != l.end:
		return fmt.Errorf("the range begins at %d, the one before ended at %d", r.First, l.end)
	case l.end < 0 && l.next >= 0 && r.First > l.next:
		return fmt.Errorf("the range begins at %d, but the store ends at %d; the offsets between would be lost", r.First, l.next)
	}
	return nil
}

// takeLocked buffers e. What needs nothing stored and has nothing before it is reported at once.
func (s *Sink) takeLocked(l *lane, e *entry) {
	idle := len(l.queue) == 0 && l.flight == nil
	l.end = e.r.Next
	l.taken++
	if idle && (s.progress != nil && e.r.Next <= l.next || s.progress == nil && e.size() == 0) {
		s.settleLocked(l, []*entry{e}, (*entry).verdict)
		return
	}
	e.due = time.Now().Add(s.cfg.BatchAge)
	l.queue = append(l.queue, e)
	l.rows, l.bytes = l.rows+e.size(), l.bytes+e.bytes
	s.dispatchLocked()
	s.mu.memory.Pressed() // e came behind the last hurry
}

// Buffered implements sinks.Buffer.
func (s *Sink) Buffered() (held, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.memory.Held(), s.cfg.MaxBuffered
}

// Flush sends everything and waits until it is settled.
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
		}
	}
	s.hurryLocked()
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
				return fmt.Errorf("%s: flushing: %w", s.cfg.Name, ctx.Err())
			}
		}
	}
	return first
}

// Forget drops what is buffered for src. A batch under way may land all the same.
func (s *Sink) Forget(src schemas.SourceID) { s.giveUp(src) }

// giveUp ends the source's lane. ended is closed when its last batch has returned; nil if there is none.
func (s *Sink) giveUp(src schemas.SourceID) (ended <-chan struct{}) {
	s.mu.Lock()
	l := s.mu.lanes[src]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	if l.flight != nil {
		ended = l.flight.ended
	}
	s.failLocked(l, sinks.ErrForgotten)
	s.dispatchLocked() // for its timer
	s.mu.Unlock()
	s.post(l)
	return ended
}

// Close flushes, drops what could not be flushed, and closes the store.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.mu.closed
	s.mu.closed = true
	s.mu.memory.RefuseAll(ErrClosed)
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
	stopped := make(chan error, 1)
	go func() {
		s.wg.Wait()
		if first {
			stopped <- s.store.Close()
			return
		}
		stopped <- nil
	}()
	select {
	case e := <-stopped:
		return errors.Join(err, e)
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("%s: closing: a batch is still under way: %w", s.cfg.Name, ctx.Err()))
	}
}
