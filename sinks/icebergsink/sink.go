package icebergsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// ErrClosed is what Write and Resume give after Close.
var ErrClosed = errors.New("iceberg sink: closed")

// ErrReplaced says that the table is another one than the one that this sink began with.
var ErrReplaced = errors.New("the table was dropped and made again while this writer was at work: start it anew")

// Sink implements sinks.Sink on one Iceberg table. Create it with New.
type Sink struct {
	cfg    Config
	writer string // part of every file's name and every nonce, unique per Sink
	ratio  parquetfile.Ratio
	slots  chan struct{}
	wg     sync.WaitGroup
	run    context.Context // ends when Close gives up
	end    context.CancelFunc

	mu struct {
		sync.Mutex
		lanes    map[schemas.SourceID]*lane
		closed   bool
		view     *View               // as it was last loaded; nil before the first Resume
		open     *roll               // being filled, nil if it has no range yet
		queue    []*roll             // closed, in order; some of the first are being committed
		draining bool                // a goroutine commits the queue
		commit   *change             // that is under way; nil if there is none
		attempt  *attempt            // the catalog is being asked for a snapshot; nil if not
		files    int64               // names given out
		memory   sinks.Memory[*lane] // estimated bytes of rows that are buffered
	}
}

// New checks the configuration and makes a sink. It does no I/O and starts nothing.
func New(cfg Config) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("iceberg sink: %w", err)
	}
	s := &Sink{cfg: cfg, writer: cmp.Or(cfg.ID, fmt.Sprintf("%016x", rand.Uint64())), slots: make(chan struct{}, cfg.Uploads)} // one place per upload
	s.run, s.end = context.WithCancel(context.Background())
	s.mu.lanes = map[schemas.SourceID]*lane{}
	s.mu.memory = sinks.Memory[*lane]{Limit: cfg.MaxBuffered, Press: s.pressLocked}
	return s, nil
}

// Buffered implements sinks.Buffer.
func (s *Sink) Buffered() (held, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.memory.Held(), s.cfg.MaxBuffered
}

// Resume reads the source's progress in the table.
func (s *Sink) Resume(ctx context.Context, src schemas.SourceID, _ int64) (next int64, known bool, err error) {
	s.Forget(src)
	if err := s.awaitAttempt(ctx, src); err != nil {
		return 0, false, fmt.Errorf("resuming %s: %w", src, err)
	}
	s.mu.Lock()
	closed := s.mu.closed
	s.mu.Unlock()
	if closed {
		return 0, false, ErrClosed
	}
	var v View
	err = s.patiently(ctx, func(ctx context.Context) (err error) {
		if v, err = s.cfg.Table.Load(ctx); err != nil {
			return err
		}
		p, err := v.Progress()
		next, known = p[src]
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("resuming %s in table %s: %w", src, s.cfg.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, false, ErrClosed
	}
	if err := s.seeLocked(&v); err != nil {
		return 0, false, fmt.Errorf("resuming %s in table %s: %w", src, s.cfg.Name, err)
	}
	s.mu.lanes[src] = newLane(src, next, known)
	return next, known, nil
}

// seeLocked keeps a view for the files to come.
func (s *Sink) seeLocked(v *View) error {
	if s.mu.view != nil && s.mu.view.ID != v.ID {
		return ErrReplaced
	}
	s.mu.view = v
	return nil
}

func (s *Sink) patiently(ctx context.Context, f func(context.Context) error) error {
	tries, err := retry.Do(ctx, s.cfg.Retry, permanent, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		return f(ctx)
	})
	if err != nil && tries > 1 {
		return fmt.Errorf("%w (try %d)", err, tries)
	}
	return err
}

// permanent says that trying again will not help.
func permanent(err error) bool {
	return slices.ContainsFunc([]error{ErrRefused, ErrProgressExpired, ErrBadSummary, ErrReplaced, errUnwritable, objectstore.ErrRefused, sinks.ErrNotRecalled}, func(e error) bool {
		return errors.Is(err, e)
	})
}

// Check implements sinks.Checker: it says why the table does not take a row.
func (s *Sink) Check(r *schemas.Row) error {
	switch {
	case !slices.Contains(s.cfg.Tasks, r.Task):
		return schemas.Rejectf(schemas.ReasonSinkReject, "offset %d: a row of task %q, and table %s is written with columns for %v", r.Offset, r.Task, s.cfg.Name, s.cfg.Tasks)
	case r.ModelDigest != s.cfg.ModelDigest:
		return schemas.Rejectf(schemas.ReasonSinkReject, "offset %d: a row of model %s, and table %s has rows of model %s; results of two models cannot be compared: give each a table of its own",
			r.Offset, r.ModelDigest, s.cfg.Name, s.cfg.ModelDigest)
	}
	return nil
}

// Write buffers a range. It blocks while the buffers are full.
func (s *Sink) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	e, err := s.newEntry(r, rows, done)
	if err != nil {
		return err
	}
	s.mu.Lock()
	l := s.mu.lanes[r.Source]
	err = s.admitLocked(ctx, l, e)
	covered := err == nil && s.appendLocked(l, e)
	if covered {
		s.mu.memory.Free(e.bytes)
	}
	s.mu.Unlock()
	if covered {
		done(nil)
	}
	return err
}

// admitLocked waits until l takes e next and there is memory for it. It lets the lock go meanwhile.
func (s *Sink) admitLocked(ctx context.Context, l *lane, e *entry) error {
	return s.mu.memory.Take(ctx, &s.mu, l, &e.r, e.bytes, func() error { return s.acceptsLocked(l, e.r) })
}

// pressLocked closes the open roll unless the first Write that waits fits beside it: a closed roll gives its bytes back without anybody's help.
func (s *Sink) pressLocked(need int64) {
	if r := s.mu.open; r != nil && r.bytes+need > s.cfg.MaxBuffered {
		s.closeLocked(RollPress)
	}
}

// newEntry checks that the rows belong to the range and the table.
func (s *Sink) newEntry(r schemas.Range, rows []schemas.Row, done func(error)) (*entry, error) {
	e := &entry{r: r, rows: rows, done: done, spans: len(r.Dead) + len(r.Skipped) + len(r.Lost) + len(r.Deletes)}
	e.bytes = 256 + 16*int64(e.spans) + schemas.DeletionBytes(r.Deletes)
	if r.First < 0 || r.First >= r.Next {
		return nil, fmt.Errorf("writing %s: the range [%d, %d) is empty or negative", r.Source, r.First, r.Next)
	}
	for i := range rows {
		if o := rows[i].Offset; o < r.First || o >= r.Next {
			return nil, fmt.Errorf("writing %s: a row of offset %d in the range [%d, %d)", r.Source, o, r.First, r.Next)
		}
		if err := s.Check(&rows[i]); err != nil {
			return nil, fmt.Errorf("writing %s: %w", r.Source, err)
		}
		e.bytes += rows[i].Size()
	}
	return e, nil
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
	s.mu.Lock()
	s.closeLocked(RollFlush)
	outstanding := slices.Clone(s.mu.queue)
	told := make([]int, len(outstanding))
	for i, r := range outstanding {
		told[i] = len(r.faults)
	}
	s.mu.Unlock()
	var first error
	for i, r := range outstanding {
		select {
		case <-r.settled:
		case <-ctx.Done():
			return fmt.Errorf("flushing: %w", ctx.Err())
		}
		s.mu.Lock()
		if first == nil && len(r.faults) > told[i] {
			first = r.faults[told[i]]
		}
		s.mu.Unlock()
	}
	return first
}

// Forget drops what is buffered for src. A commit under way may land all the same: Resume will know.
func (s *Sink) Forget(src schemas.SourceID) {
	s.mu.Lock()
	var dropped []*entry
	if l := s.mu.lanes[src]; l != nil {
		dropped = s.failLocked(l, sinks.ErrForgotten)
		delete(s.mu.lanes, src)
	}
	s.mu.Unlock()
	settle(dropped, sinks.ErrForgotten)
}

// Close flushes, drops what could not be flushed, and lets the table go. Later calls only wait for the first one's end.
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
		all := slices.SortedFunc(maps.Keys(s.mu.lanes), func(a, b schemas.SourceID) int { // in one order, so that a simulation repeats itself
			return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
		s.mu.Unlock()
		for _, src := range all {
			s.Forget(src)
		}
		s.end()
	}
	stopped := make(chan error, 1)
	go func() {
		s.wg.Wait()
		var err error
		if first {
			err = s.cfg.Table.Close()
		}
		stopped <- err
	}()
	select {
	case cerr := <-stopped:
		return errors.Join(err, cerr)
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("closing: a commit is still under way: %w", ctx.Err()))
	}
}
