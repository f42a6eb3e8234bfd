package parquetsink

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetfile"
)

// ErrClosed is what Write and Resume give after Close.
var ErrClosed = errors.New("parquet sink: closed")

// Sink implements sinks.Sink with chains of files. Create it with New.
type Sink struct {
	cfg    Config
	writer string // part of every nonce, unique per Sink
	ratio  parquetfile.Ratio
	wg     sync.WaitGroup

	mu struct {
		sync.Mutex
		lanes   map[schemas.SourceID]*lane
		filling list.List // of *lane: those with an open file, the oldest file first
		open    int64     // bytes of the open files
		closed  bool
		files   int64               // nonces given out
		memory  sinks.Memory[*lane] // estimated bytes of rows that are buffered or admitted

		uploading int             // files that are encoded and uploaded now, at most Config.Uploads
		line      []chan struct{} // who waits for that, in the order of closing; closing one calls it
	}
}

// New checks the configuration and makes a sink. It does no I/O and starts nothing.
func New(cfg Config) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("parquet sink: %w", err)
	}
	s := &Sink{cfg: cfg, writer: fmt.Sprintf("%016x", rand.Uint64())}
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

// Resume finds the end of the source's chain. It fails with ErrBrokenChain if the files do not fit together.
func (s *Sink) Resume(ctx context.Context, src schemas.SourceID, from int64) (next int64, known bool, err error) {
	if stopped := s.giveUp(src); stopped != nil {
		// An upload of the old lane may still be under way. Should it land later all the same, it is another writer like any (P5).
		select {
		case <-stopped:
		case <-ctx.Done():
			return 0, false, fmt.Errorf("resuming %s: %w", src, ctx.Err())
		}
	}
	at, err := s.chainEnd(ctx, src, from)
	if err != nil {
		return 0, false, fmt.Errorf("resuming %s: %w", src, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return 0, false, ErrClosed
	}
	s.mu.lanes[src] = newLane(src, at)
	return max(at.offset, 0), at.offset >= 0, nil
}

func (s *Sink) chainEnd(ctx context.Context, src schemas.SourceID, from int64) (at place, err error) {
	l := lister{s.cfg.Layout, s.cfg.Store, s.cfg.Layout.Dir(s.cfg.Prefix, src)}
	var last FileInfo
	err = s.patiently(ctx, func(ctx context.Context) error {
		at = l.layout.start()
		names, err := l.from(ctx, from)
		if err != nil {
			return err
		}
		infos, err := l.follow(ctx, names[max(len(names)-verifyLast, 0):])
		if err != nil {
			return err
		}
		if len(infos) == 0 {
			return l.refuseOther(ctx, s.cfg.Prefix, src)
		}
		last = infos[len(infos)-1]
		at = last.after()
		if last.Format != s.cfg.Format {
			return fmt.Errorf("%w: %s is of format %s, and this output writes %s; keep that format, or write to another prefix", ErrOtherFormat, last.Name, last.Format, s.cfg.Format)
		}
		return nil
	})
	if was, is := digestOf(last.Metadata), digestOf(s.cfg.Metadata); err == nil && was != "" && is != "" && was != is && s.cfg.OtherModel != nil {
		s.cfg.OtherModel(last)
	}
	return at, err
}

// Write buffers a range. It blocks while the buffers are full.
func (s *Sink) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	e, err := s.newEntry(r, rows, done)
	if err != nil {
		return err
	}
	s.mu.Lock()
	l := s.mu.lanes[r.Source]
	err = s.admitLocked(ctx, l, &e)
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

// newEntry checks that the rows belong to the range.
func (s *Sink) newEntry(r schemas.Range, rows []schemas.Row, done func(error)) (entry, error) {
	e := entry{r: r, rows: rows, done: done, bytes: 256 + 16*int64(len(r.Dead)+len(r.Skipped)+len(r.Lost)) + schemas.DeletionBytes(r.Deletes)}
	if r.First < 0 || r.First >= r.Next {
		return e, fmt.Errorf("writing %s: the range [%d, %d) is empty or negative", r.Source, r.First, r.Next)
	}
	for i := range rows {
		if o := rows[i].Offset; o < r.First || o >= r.Next {
			return e, fmt.Errorf("writing %s: a row of offset %d in the range [%d, %d)", r.Source, o, r.First, r.Next)
		}
		if r.Rowless(rows[i].Offset) {
			return e, fmt.Errorf("writing %s: offset %d has a row, and by its range it has none; files are for ever, and are not to say both", r.Source, rows[i].Offset)
		}
		if !slices.Contains(s.cfg.Tasks, rows[i].Task) {
			return e, schemas.Rejectf(schemas.ReasonSinkReject, "writing %s: offset %d has a row of task %q, and these files have columns for %v",
				r.Source, rows[i].Offset, rows[i].Task, s.cfg.Tasks)
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
	case l.end < 0 && l.at.offset >= 0 && r.First > l.at.offset:
		return fmt.Errorf("writing %s: the range begins at %d, but the chain of files ends at %d; the offsets between would be lost", r.Source, r.First, l.at.offset)
	}
	return nil
}

// appendLocked puts e into the open file, or says that its offsets are durable already and nothing before it is outstanding.
func (s *Sink) appendLocked(l *lane, e entry) (covered bool) {
	l.end = e.r.Next
	if e.r.Next <= l.at.offset && len(l.queue) == 0 && l.open == nil {
		return true
	}
	if l.open == nil {
		f := &roll{settled: make(chan struct{}), due: time.Now().Add(s.cfg.RollAge)}
		f.timer = time.AfterFunc(s.cfg.RollAge, s.rollAged)
		l.open = f
		l.place = s.mu.filling.PushBack(l)
	}
	l.open.add(e)
	s.mu.open += e.bytes
	switch f := l.open; {
	case s.ratio.Of(f.bytes) >= float64(s.cfg.RollBytes):
		s.closeLocked(l, RollBytes)
	case f.rows >= s.cfg.RollRows:
		s.closeLocked(l, RollRows)
	}
	s.mu.memory.Pressed()
	return false
}

// rollAged closes every file that is due: those that are due together in one order, whichever timer came first.
func (s *Sink) rollAged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var due []*lane
	for e := s.mu.filling.Front(); e != nil; e = e.Next() {
		l, _ := e.Value.(*lane) // it holds nothing else
		if l.open.due.After(now) {
			break // those behind it are younger: there may be a file for each of ten thousand partitions, and a timer
		}
		due = append(due, l)
	}
	slices.SortFunc(due, func(a, b *lane) int { return bySource(a.src, b.src) })
	for _, l := range due {
		s.closeLocked(l, RollAge)
	}
}

// Flush closes all open files and waits until everything written so far is settled.
func (s *Sink) Flush(ctx context.Context) error {
	s.mu.Lock()
	var outstanding []*roll
	for _, src := range s.sourcesLocked() {
		l := s.mu.lanes[src]
		s.closeLocked(l, RollFlush)
		outstanding = append(outstanding, l.queue...)
	}
	s.mu.Unlock()
	var first error
	for _, f := range outstanding {
		select {
		case <-f.settled:
			if first == nil {
				first = f.err
			}
		case <-ctx.Done():
			return fmt.Errorf("flushing: %w", ctx.Err())
		}
	}
	return first
}

// Forget drops what is buffered for src.
func (s *Sink) Forget(src schemas.SourceID) { s.giveUp(src) }

// giveUp ends the source's lane. stopped is closed when its last upload has returned; nil if there is none.
func (s *Sink) giveUp(src schemas.SourceID) (stopped <-chan struct{}) {
	s.mu.Lock()
	l := s.mu.lanes[src]
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	dones, rolls := s.failLocked(l, sinks.ErrForgotten)
	rolls = slices.DeleteFunc(rolls, func(f *roll) bool { return f.uploading })
	stopped = l.running
	if l.cancel != nil {
		l.cancel()
	}
	s.mu.Unlock()
	settle(dones, rolls, sinks.ErrForgotten)
	return stopped
}

// Close flushes, and drops what could not be flushed. Later calls only wait for the first one's end.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.mu.closed
	s.mu.closed = true
	s.mu.memory.RefuseAll(ErrClosed)
	s.mu.Unlock()
	var err error
	if first {
		err = s.Flush(ctx)
		for _, src := range s.sources() {
			s.Forget(src)
		}
	}
	stopped := make(chan struct{})
	go func() { s.wg.Wait(); close(stopped) }()
	select {
	case <-stopped:
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("closing: an upload is still under way: %w", ctx.Err()))
	}
}

func (s *Sink) sources() []schemas.SourceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sourcesLocked()
}

// sourcesLocked lists the sources in one order, so that a simulation repeats itself.
func (s *Sink) sourcesLocked() []schemas.SourceID {
	return slices.SortedFunc(maps.Keys(s.mu.lanes), bySource)
}

func bySource(a, b schemas.SourceID) int {
	return cmp.Or(cmp.Compare(a.Pipeline, b.Pipeline), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}
