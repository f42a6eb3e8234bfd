package icebergsink

import (
	"context"
	"slices"
	"time"

	"vecmill/schemas"
)

// lane is one source between two calls of Resume. Its fields are guarded by Sink.mu.
type lane struct {
	src     schemas.SourceID
	next    int64    // the table's end, -1 while it has nothing of the source
	end     int64    // where the last range taken ended, -1 before the first
	err     error    // why nothing more is taken
	entries []*entry // not settled yet, in order
}

// entry is one range handed to Write. Its fields are guarded by Sink.mu once it is in a roll.
type entry struct {
	l     *lane
	roll  *roll
	r     schemas.Range
	rows  []schemas.Row // nil once it is settled
	bytes int64
	spans int
	done  func(error)
}

// roll is ranges of any sources that are committed together, in one file or in one for each partition of the table.
type roll struct {
	entries []*entry
	bytes   int64
	size    int // rows and spans
	reason  Reason
	timer   *time.Timer // closes it when its first range is old
	faults  []error     // that its entries were settled with

	cancel   context.CancelFunc // ends its preparation; nil while it is open
	prepared chan struct{}      // closed when its files are written, or could not be
	err      error              // why not; written before prepared is closed
	rows     []tableRow         // that are in the files; likewise, and then by the goroutine that commits
	files    []File
	settled  chan struct{} // closed after the last done
}

// tableRow is a row as the table has it.
type tableRow struct {
	pipeline string
	*schemas.Row
}

func newLane(src schemas.SourceID, next int64, known bool) *lane {
	if !known {
		next = -1
	}
	return &lane{src: src, next: next, end: -1}
}

// appendLocked buffers e, or says that its offsets are in the table already and nothing before it is outstanding.
func (s *Sink) appendLocked(l *lane, e *entry) (covered bool) {
	l.end = e.r.Next
	if e.r.Next <= l.next && len(l.entries) == 0 {
		return true
	}
	r := s.mu.open
	if r == nil {
		r = &roll{prepared: make(chan struct{}), settled: make(chan struct{})}
		r.timer = time.AfterFunc(s.cfg.RollAge, func() { s.rollAged(r) })
		s.mu.open = r
	}
	e.l, e.roll = l, r
	l.entries, r.entries = append(l.entries, e), append(r.entries, e)
	r.bytes, r.size = r.bytes+e.bytes, r.size+len(e.rows)+e.spans
	switch {
	case s.ratio.Of(r.bytes) >= float64(s.cfg.RollBytes):
		s.closeLocked(RollBytes)
	case r.size >= s.cfg.RollRows:
		s.closeLocked(RollRows)
	}
	s.mu.memory.Pressed()
	return false
}

func (s *Sink) rollAged(r *roll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.open == r {
		s.closeLocked(RollAge)
	}
}

// closeLocked ends the open roll and has it written and committed.
func (s *Sink) closeLocked(why Reason) {
	r := s.mu.open
	if r == nil {
		return
	}
	r.timer.Stop()
	r.reason, s.mu.open = why, nil
	s.mu.queue = append(s.mu.queue, r)
	ctx, cancel := context.WithCancel(s.run)
	r.cancel = cancel
	s.wg.Go(func() {
		defer cancel()
		s.prepare(ctx, r)
	})
	if !s.mu.draining {
		s.mu.draining = true
		s.wg.Go(s.drain)
	}
}

// failLocked ends the lane with err and takes all that is outstanding from it; the caller gives it to settle after unlocking.
func (s *Sink) failLocked(l *lane, err error) []*entry {
	if l.err == nil {
		l.err = err
	}
	s.mu.memory.Refuse(l, l.err)
	out := s.takeLocked(l, len(l.entries), err)
	for _, r := range s.mu.queue {
		if !r.wantedLocked() {
			r.cancel()
		}
	}
	if c := s.mu.commit; c != nil && !slices.ContainsFunc(c.rolls, (*roll).wantedLocked) {
		c.cancel()
	}
	return out
}

// wantedLocked says whether a source of the roll is not given up.
func (r *roll) wantedLocked() bool {
	return slices.ContainsFunc(r.entries, func(e *entry) bool { return e.l.err == nil })
}

// takeLocked removes the first n entries of a lane, which are settled with err.
func (s *Sink) takeLocked(l *lane, n int, err error) []*entry {
	out := l.entries[:n]
	l.entries = l.entries[n:]
	var bytes int64
	for _, e := range out {
		bytes += e.bytes
		if err != nil {
			e.roll.faults = append(e.roll.faults, err)
		}
		if r := s.mu.open; r == e.roll {
			r.bytes, r.size = r.bytes-e.bytes, r.size-len(e.rows)-e.spans
		}
		e.rows = nil
	}
	if r := s.mu.open; r != nil && l.err != nil {
		r.entries = slices.DeleteFunc(r.entries, func(e *entry) bool { return e.l == l })
	}
	s.mu.memory.Free(bytes)
	return out
}

// settle reports the end of entries. It is called without the lock.
func settle(entries []*entry, err error) {
	for _, e := range entries {
		e.done(err)
	}
}
