package pgvectorsink

import (
	"context"
	"time"

	"vecmill/schemas"
)

// lane is one source between two calls of Resume. Its fields are guarded by Sink.mu.
type lane struct {
	src      schemas.SourceID
	next     int64   // the stored end, -1 while nothing is stored
	end      int64   // where the last range taken ended, -1 before the first
	err      error   // why nothing more is taken
	queue    []entry // not stored yet, in order
	rows     int     // of queue
	urgent   int     // so many of the queue are to be committed now
	timer    *time.Timer
	queueDue time.Time
	running  chan struct{}      // closed when the draining goroutine has ended; nil when there is none
	cancel   context.CancelFunc // of that goroutine

	taken, settled int64         // ranges, by their number
	changed        chan struct{} // closed, and made anew, when settled grows
}

func newLane(src schemas.SourceID, next int64, known bool) *lane {
	if !known {
		next = -1
	}
	return &lane{src: src, next: next, end: -1, changed: make(chan struct{})}
}

// appendLocked buffers e, or says that its offsets are stored already and nothing before it is outstanding.
func (s *Sink) appendLocked(l *lane, e entry) (covered bool) {
	l.end = e.r.Next
	if e.r.Next <= l.next && l.taken == l.settled {
		return true
	}
	l.taken++
	if len(l.queue) == l.urgent { // the first that waits for company
		l.queueDue = time.Now().Add(s.cfg.BatchAge)
		if l.timer != nil {
			l.timer.Stop()
		}
		l.timer = time.AfterFunc(s.cfg.BatchAge, s.due(l))
	}
	l.queue = append(l.queue, e)
	l.rows += len(e.rows)
	s.mu.held += e.bytes
	if l.rows >= s.cfg.BatchRows {
		s.kickLocked(l)
	}
	return false
}

// kickLocked has everything that is buffered for l committed.
func (s *Sink) kickLocked(l *lane) {
	if len(l.queue) == 0 || l.err != nil {
		return
	}
	l.urgent = len(l.queue)
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.running == nil {
		ctx, cancel := context.WithCancel(s.run)
		l.running, l.cancel = make(chan struct{}), cancel
		s.wg.Go(func() {
			defer cancel()
			s.drain(ctx, l)
		})
	}
}

// drain commits the urgent part of a lane, batch by batch.
func (s *Sink) drain(ctx context.Context, l *lane) {
	for {
		s.mu.Lock()
		if l.err != nil || l.urgent == 0 {
			close(l.running)
			l.running = nil
			s.mu.Unlock()
			return
		}
		entries := l.queue[:s.upTo(l)]
		s.mu.Unlock()

		b := joined(entries)
		var next int64
		err := s.patiently(ctx, func(ctx context.Context) (err error) {
			next, err = s.db.put(ctx, b)
			return err
		})

		s.mu.Lock()
		var over []entry
		switch {
		case l.err != nil: // given up meanwhile: its entries are settled
		case err != nil:
			over = s.failLocked(l, err)
		default:
			l.next = next
			over = s.takeLocked(l, len(entries))
		}
		s.mu.Unlock()
		s.settle(l, over, err)
	}
}

// upTo is how many entries go into the next batch: at least one.
func (s *Sink) upTo(l *lane) int {
	n, rows := 0, 0
	for n < l.urgent && (n == 0 || rows+len(l.queue[n].rows) <= s.cfg.BatchRows) {
		rows += len(l.queue[n].rows)
		n++
	}
	return n
}

// takeLocked removes the first n entries.
func (s *Sink) takeLocked(l *lane, n int) []entry {
	out := l.queue[:n]
	l.queue = l.queue[n:]
	l.urgent = max(l.urgent-n, 0)
	var bytes int64
	for i := range out {
		l.rows -= len(out[i].rows)
		bytes += out[i].bytes
	}
	s.freeLocked(bytes)
	return out
}

// failLocked ends the lane with err and takes all that is outstanding from it, for settle.
func (s *Sink) failLocked(l *lane, err error) []entry {
	if l.err == nil {
		l.err = err
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	return s.takeLocked(l, len(l.queue))
}

// settle reports the end of entries. It is called without the lock.
func (s *Sink) settle(l *lane, entries []entry, err error) {
	for i := range entries {
		entries[i].done(err)
	}
	s.mu.Lock()
	l.settled += int64(len(entries))
	close(l.changed)
	l.changed = make(chan struct{})
	s.mu.Unlock()
}
