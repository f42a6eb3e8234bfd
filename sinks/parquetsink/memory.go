package parquetsink

import "context"

// admitLocked waits until l takes e next and there is memory for it. It lets the lock go meanwhile.
func (s *Sink) admitLocked(ctx context.Context, l *lane, e *entry) error {
	return s.mu.memory.Take(ctx, &s.mu, l, &e.r, e.bytes, func() error { return s.acceptsLocked(l, e.r) })
}

// pressLocked closes open files, the largest first, until the first waiting Write fits beside what stays open: closed files give
// their bytes back without anybody's help. It is called whenever bytes enter an open file while a Write waits, or a Write begins to wait.
func (s *Sink) pressLocked(need int64) {
	for s.mu.filling.Len() > 0 && s.mu.open+need > s.cfg.MaxBuffered {
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
