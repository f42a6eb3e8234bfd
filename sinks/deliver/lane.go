package deliver

import (
	"cmp"
	"context"
	"slices"
	"time"

	"vecmill/schemas"
)

// lane is one source between two calls of Resume. Its fields are guarded by Sink.mu.
type lane struct {
	src    schemas.SourceID
	next   int64    // the stored end; -1 while nothing is known to be stored
	end    int64    // where the last range taken ended; -1 before the first
	err    error    // why nothing more is taken
	queue  []*entry // not under way yet, in order
	rows   int      // items of queue
	bytes  int64    // of queue
	urgent int64    // ranges below this number are to be sent now
	flight *flight  // the batch under way, whose dones may still be outstanding

	taken, settled int64 // ranges, by their number
	changed        chan struct{}
	outbox         []settlement // dones to be called, in order
	settling       bool         // somebody is calling them
}

type settlement struct {
	e   *entry
	err error
}

// flight is one batch on its way.
type flight struct {
	legs   []*leg
	ctx    context.Context // ends when nobody wants the batch any more
	cancel context.CancelFunc
	ended  chan struct{}
}

// leg is a source's share of a flight.
type leg struct {
	l       *lane
	entries []*entry
	err     error
}

func newLane(src schemas.SourceID, next int64, known bool) *lane {
	if !known {
		next = -1
	}
	return &lane{src: src, next: next, end: -1, changed: make(chan struct{})}
}

func (l *lane) idle() bool { return l.flight == nil && l.err == nil && len(l.queue) > 0 }

// due says whether the head of the queue is to be sent without more company.
func (l *lane) due(c *Config, now time.Time) bool {
	return l.taken-int64(len(l.queue)) < l.urgent || !now.Before(l.queue[0].due) || c.OneSource && c.full(l.rows, l.bytes)
}

func (c *Config) full(rows int, bytes int64) bool {
	return rows >= c.BatchRows || bytes >= c.BatchBytes
}

// hurryLocked has everything that the lanes hold sent (D2).
func (s *Sink) hurryLocked() {
	for _, l := range s.mu.lanes {
		l.urgent = l.taken
	}
	s.dispatchLocked()
}

// dispatchLocked sends what is ready, and has itself called again when the next range is old enough.
func (s *Sink) dispatchLocked() {
	for {
		now := time.Now()
		var idle []*lane
		rows, bytes, ready := 0, int64(0), false
		var next time.Time
		for _, l := range s.mu.lanes {
			if !l.idle() {
				continue
			}
			idle = append(idle, l)
			rows, bytes, ready = rows+l.rows, bytes+l.bytes, ready || l.due(&s.cfg, now)
			if due := l.queue[0].due; next.IsZero() || due.Before(next) {
				next = due
			}
		}
		if s.mu.timer != nil {
			s.mu.timer.Stop()
			s.mu.timer = nil
		}
		if len(idle) == 0 || s.mu.flights >= s.cfg.InFlight {
			return
		}
		if !ready && (s.cfg.OneSource || !s.cfg.full(rows, bytes)) {
			s.mu.timer = time.AfterFunc(next.Sub(now), s.tick)
			return
		}
		s.launchLocked(s.packLocked(idle, now))
	}
}

func (s *Sink) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatchLocked()
}

// packLocked takes a batch from lanes, those that have waited longest first.
func (s *Sink) packLocked(idle []*lane, now time.Time) []*leg {
	slices.SortFunc(idle, func(a, b *lane) int {
		if x, y := a.due(&s.cfg, now), b.due(&s.cfg, now); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Or(a.queue[0].due.Compare(b.queue[0].due), cmp.Compare(a.src.String(), b.src.String())) // the same order in every run
	})
	var legs []*leg
	rows, bytes := 0, int64(0)
	for _, l := range idle {
		n := 0
		for n < len(l.queue) {
			e := l.queue[n]
			if (n > 0 || len(legs) > 0) && (rows+e.size() > s.cfg.BatchRows || bytes+e.bytes > s.cfg.BatchBytes) {
				break
			}
			rows, bytes, n = rows+e.size(), bytes+e.bytes, n+1
		}
		if n == 0 || s.cfg.OneSource && len(legs) > 0 {
			break
		}
		legs = append(legs, &leg{l: l, entries: l.queue[:n:n]})
		l.queue = l.queue[n:]
		for _, e := range legs[len(legs)-1].entries {
			l.rows, l.bytes = l.rows-e.size(), l.bytes-e.bytes
		}
	}
	return legs
}

func (s *Sink) launchLocked(legs []*leg) {
	f := &flight{legs: legs, ended: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(s.run)
	for _, g := range legs {
		g.l.flight = f
	}
	s.mu.flights++
	s.wg.Go(func() { s.fly(f) })
}

// failLocked ends a lane and puts the dones of all that it still holds into its outbox. What a batch under way still does is nobody's affair any more.
func (s *Sink) failLocked(l *lane, err error) {
	if l.err != nil {
		return
	}
	l.err = err
	var all []*entry
	if l.flight != nil {
		all = append(all, l.flight.abandonLocked(l)...)
	}
	s.settleLocked(l, append(all, l.queue...), func(*entry) error { return err })
	l.queue, l.rows, l.bytes = nil, 0, 0
	s.mu.memory.Refuse(l, err) // a Write of this lane may wait for memory that others hold
}

// abandonLocked takes a lane's entries from a flight, which is over when it has none left.
func (f *flight) abandonLocked(l *lane) (entries []*entry) {
	wanted := false
	for _, g := range f.legs {
		if g.l == l {
			entries, g.entries = g.entries, nil
		}
		wanted = wanted || len(g.entries) > 0
	}
	if !wanted {
		f.cancel()
	}
	return entries
}

// settleLocked puts dones into the lane's outbox and gives the memory back.
func (s *Sink) settleLocked(l *lane, entries []*entry, verdict func(*entry) error) {
	var bytes int64
	for _, e := range entries {
		l.outbox = append(l.outbox, settlement{e, verdict(e)})
		bytes += e.bytes
	}
	if bytes > 0 {
		s.mu.memory.Free(bytes)
	}
}

// post calls the dones of a lane's outbox, in order and without the lock. If somebody does so already, they call these, too: a done may call the sink.
func (s *Sink) post(l *lane) {
	for {
		s.mu.Lock()
		if l.settling || len(l.outbox) == 0 {
			s.mu.Unlock()
			return
		}
		out := l.outbox
		l.outbox, l.settling = nil, true
		s.mu.Unlock()
		for _, o := range out {
			o.e.done(o.err)
		}
		s.mu.Lock()
		l.settling = false
		l.settled += int64(len(out))
		close(l.changed)
		l.changed = make(chan struct{})
		s.mu.Unlock()
	}
}
