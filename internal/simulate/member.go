package simulate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"vecmill/stream"
)

// member is one process's consumer: a scripted stream.Source.
type member struct {
	w *world
	g *group
	p *process
	d draws
}

// Run implements stream.Source.
func (m *member) Run(ctx context.Context, a stream.Assignments) error {
	defer m.leave()
	for n := int64(0); ; n++ {
		if err := m.p.sleep(ctx, span(m.d.of(m.p.name+" join", n), time.Millisecond, 300*time.Millisecond)); err != nil {
			return nil
		}
		if m.w.brokerDown() || m.p.isolated() {
			continue
		}
		var g grant
		select {
		case g = <-m.g.join(m.p.name):
		case <-ctx.Done():
			return nil
		}
		if err := m.serve(ctx, a, g); err != nil {
			return err
		}
	}
}

// leave tells the broker, unless the process is dead: then it finds out by itself.
func (m *member) leave() {
	if !m.p.crashed() && !m.p.isolated() {
		m.g.leave(m.p.name)
	}
}

// assignment is one generation's life in a member.
type assignment struct {
	m     *member
	gen   int
	parts []int
	lost  atomic.Bool
	ended atomic.Bool // Revoked or Lost has returned: nothing may be committed any more (I3)
	tries atomic.Int64
}

// serve delivers until ctx ends or the generation is over, and ends the assignment as kafkasource does.
func (m *member) serve(ctx context.Context, a stream.Assignments, g grant) error {
	s := &assignment{m: m, gen: g.gen, parts: g.parts}
	over, end := context.WithCancel(ctx)
	beats, stopBeats := context.WithCancel(context.WithoutCancel(ctx))
	drain, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() { s.beat(beats, end, giveUp) })
	defer func() {
		end()
		giveUp()
		stopBeats()
		beating.Wait()
	}()
	if len(g.parts) == 0 {
		<-over.Done()
		return nil
	}
	bounds := map[stream.Partition]stream.Bounds{}
	for _, part := range g.parts {
		bounds[stream.Partition{Topic: topic, ID: part}] = stream.Bounds{Committed: m.g.committed(part), End: m.w.log.end(part, m.w.now())}
	}
	start, err := a.Assigned(over, s, bounds)
	if err != nil {
		if over.Err() != nil {
			return nil
		}
		return err
	}
	var polls sync.WaitGroup
	failed := make(chan error, len(g.parts)) // one slot per goroutine: a send never blocks
	for _, part := range g.parts {
		polls.Go(func() {
			if err := s.poll(over, a, part, start[stream.Partition{Topic: topic, ID: part}]); err != nil && over.Err() == nil {
				failed <- err
				end()
			}
		})
	}
	polls.Wait()
	s.finish(drain, a)
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// finish ends the assignment.
func (s *assignment) finish(drain context.Context, a stream.Assignments) {
	defer s.ended.Store(true)
	if s.lost.Load() || s.m.p.crashed() {
		a.Lost()
		return
	}
	drain, cancel := context.WithTimeout(drain, s.m.w.plan.Group.Drain)
	defer cancel()
	if p, ok := a.(*stream.Pipeline); ok && p.Stats().InFlight > 0 {
		s.m.w.count(func(c *Coverage) { c.Drains++ })
	}
	a.Revoked(drain)
}

// beat sends heartbeats until ctx ends or the member is evicted.
func (s *assignment) beat(ctx context.Context, end, giveUp context.CancelFunc) {
	every := s.m.w.plan.Group.Heartbeat
	seen, last := time.Now(), time.Now()
	for n := int64(0); ; n++ {
		r := s.m.d.of(s.m.p.name+" beat", int64(s.gen), n)
		if s.m.p.sleep(ctx, span(r, every-every/10, every+every/10)) != nil {
			if s.m.p.crashed() {
				end()
				giveUp()
			}
			return
		}
		err := errNoAnswer
		stale := time.Since(last) > 3*every && chance(r, 0.7) // after a pause the connection is a dead one, more often than not
		last = time.Now()
		way := s.m.w.latency(r)
		if stale {
			way += s.m.w.plan.Group.Dead
		}
		if s.m.p.sleep(ctx, way) == nil && !stale && !s.m.p.isolated() && !chance(r, s.m.w.commitFaults()) {
			err = s.m.g.heartbeat(s.m.p.name, s.gen)
		}
		switch {
		case err == nil:
			seen = time.Now()
		case errors.Is(err, errRejoin):
			seen = time.Now()
			end()
		case errors.Is(err, errEvicted), time.Since(seen) > s.m.w.plan.Group.Session:
			s.m.w.tr.add(s.m.p.name, "has lost generation %d", s.gen)
			s.lost.Store(true)
			end()
			giveUp()
			return
		}
	}
}

// poll delivers one partition in small pieces.
func (s *assignment) poll(ctx context.Context, a stream.Assignments, part int, next int64) error {
	p := stream.Partition{Topic: topic, ID: part}
	for n := int64(0); ; n++ {
		r := s.m.d.of(s.m.p.name+" poll", int64(s.gen), int64(part), n)
		if s.m.p.sleep(ctx, span(r, 100*time.Microsecond, 30*time.Millisecond)) != nil {
			return nil
		}
		if s.m.w.brokerDown() || s.m.p.isolated() {
			continue
		}
		recs, to := s.m.w.log.read(part, next, 1+r.IntN(7), s.m.w.now())
		if to == next {
			if s.m.p.sleep(ctx, span(r, 30*time.Millisecond, 150*time.Millisecond)) != nil {
				return nil
			}
			continue
		}
		if err := a.Records(ctx, p, recs, to); err != nil {
			return err
		}
		next = to
	}
}

// End implements stream.EndFinder.
func (s *assignment) End(ctx context.Context, p stream.Partition) (int64, error) {
	w := s.m.w
	w.count(func(c *Coverage) { c.Beyond++ })
	for n := int64(0); ; n++ {
		if err := s.m.p.sleep(ctx, w.latency(s.m.d.of(s.m.p.name+" end", int64(s.gen), int64(p.ID), n))); err != nil {
			return 0, err
		}
		if !w.brokerDown() && !s.m.p.isolated() {
			return w.log.end(p.ID, w.now()), nil
		}
	}
}

// Commit implements stream.Committer, over a network that may lose the request or the answer.
func (s *assignment) Commit(ctx context.Context, next map[stream.Partition]int64) error {
	p := s.m.p
	if s.ended.Load() && !p.crashed() {
		s.m.w.oracle.offend("%s commits %v for generation %d after its end (I3)", p.name, next, s.gen)
	}
	r := s.m.d.of(p.name+" commit", int64(s.gen), s.tries.Add(1))
	if err := p.sleep(ctx, span(r, 100*time.Microsecond, 20*time.Millisecond)); err != nil {
		return err
	}
	faulty, carried, crashCarried := chance(r, s.m.w.commitFaults()), chance(r, 0.5), chance(r, 0.5)
	switch {
	case s.m.w.brokerDown() || p.isolated():
		return errNoAnswer
	case faulty && !carried:
		p.tr.add(p.name, "a commit is lost")
		return errNoAnswer
	}
	act := func() error { return s.m.g.commit(p.name, s.gen, next) }
	err := p.effect("a commit", crashCarried, act, func() { _ = act() })
	if err == nil && faulty {
		p.tr.add(p.name, "the answer to a commit is lost")
		err = errNoAnswer
	}
	if back := p.sleep(ctx, span(r, 100*time.Microsecond, 20*time.Millisecond)); back != nil && err == nil {
		err = back
	}
	return err
}
