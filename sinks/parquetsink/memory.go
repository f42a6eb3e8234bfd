package parquetsink

import (
	"context"
	"slices"
)

// admission is a Write that waits for memory. Writes are admitted in the order in which they came, so a large one is not
// passed by small ones for ever.
type admission struct {
	lane    *lane
	need    int64
	granted bool
	refused error         // why it never will be
	wake    chan struct{} // closed when granted or refused
}

// admitLocked takes n bytes at once, or gives the admission to wait for. A range larger than the whole limit is admitted alone.
func (s *Sink) admitLocked(l *lane, n int64) *admission {
	if len(s.mu.waiting) == 0 && s.fitsLocked(n) {
		s.mu.held += n
		return nil
	}
	a := &admission{lane: l, need: n, wake: make(chan struct{})}
	s.mu.waiting = append(s.mu.waiting, a)
	s.pressLocked()
	return a
}

func (s *Sink) fitsLocked(n int64) bool { return s.mu.held == 0 || s.mu.held+n <= s.cfg.MaxBuffered }

// await waits for an admission. After an error nothing is held.
func (s *Sink) await(ctx context.Context, a *admission) error {
	select {
	case <-a.wake:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.refused != nil:
		return a.refused
	case a.granted && ctx.Err() == nil:
		return nil
	case a.granted:
		s.releaseLocked(a.need)
	default:
		s.mu.waiting = slices.DeleteFunc(s.mu.waiting, func(b *admission) bool { return a == b })
		s.grantLocked()
	}
	return ctx.Err()
}

// releaseLocked gives n bytes back.
func (s *Sink) releaseLocked(n int64) {
	s.mu.held -= n
	s.grantLocked()
}

// grantLocked admits from the front for as long as the first one fits, and sees to it that the next one will.
func (s *Sink) grantLocked() {
	for len(s.mu.waiting) > 0 && s.fitsLocked(s.mu.waiting[0].need) {
		a := s.mu.waiting[0]
		s.mu.waiting = s.mu.waiting[1:]
		s.mu.held += a.need
		a.granted = true
		close(a.wake)
	}
	s.pressLocked()
}

// pressLocked closes open files, the largest first, until the first waiting Write fits beside what stays open: closed files give
// their bytes back without anybody's help. It is called whenever bytes enter an open file or a Write begins to wait.
func (s *Sink) pressLocked() {
	if len(s.mu.waiting) == 0 {
		return
	}
	for s.mu.filling.Len() > 0 && s.mu.open+s.mu.waiting[0].need > s.cfg.MaxBuffered {
		s.closeLocked(s.largestLocked(), RollPress)
	}
}

// largestLocked is the lane with the largest open file; of equals the first by source, so that a simulation repeats itself.
func (s *Sink) largestLocked() (largest *lane) {
	for e := s.mu.filling.Front(); e != nil; e = e.Next() {
		l, _ := e.Value.(*lane)
		if largest == nil || l.open.bytes > largest.open.bytes || l.open.bytes == largest.open.bytes && bySource(l.src, largest.src) < 0 {
			largest = l
		}
	}
	return largest
}

// refuseLocked ends the waits that are of a lane, all of them if it is nil. Others may hold the memory for as long as their uploads take.
func (s *Sink) refuseLocked(of *lane, why error) {
	s.mu.waiting = slices.DeleteFunc(s.mu.waiting, func(a *admission) bool {
		if of != nil && a.lane != of {
			return false
		}
		a.refused = why
		close(a.wake)
		return true
	})
}
