package deliver

import (
	"context"
	"errors"
	"fmt"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

// fly delivers a batch and reports it.
func (s *Sink) fly(f *flight) {
	parts := make([]Part, 0, len(f.legs))
	s.mu.Lock()
	for _, g := range f.legs {
		if len(g.entries) > 0 {
			parts = append(parts, partOf(g))
		}
	}
	s.mu.Unlock()
	if s.progress == nil {
		parts = withItems(parts)
	}
	for _, b := range batches(parts, s.cfg.BatchRows, s.cfg.BatchBytes, s.progress != nil) {
		s.send(f, b)
	}
	s.mu.Lock()
	for _, g := range f.legs {
		if g.err != nil {
			s.failLocked(g.l, g.err)
			continue
		}
		entries := g.entries
		if g.entries = nil; len(entries) > 0 {
			g.l.next = entries[len(entries)-1].r.Next
			s.settleLocked(g.l, entries, (*entry).verdict)
		}
	}
	s.mu.Unlock()
	for _, g := range f.legs {
		s.post(g.l) // before the lane may fly again, so that its dones stay in order (D1)
	}
	f.cancel()
	s.mu.Lock()
	for _, g := range f.legs {
		g.l.flight = nil
	}
	s.mu.flights--
	s.dispatchLocked()
	s.mu.Unlock()
	close(f.ended)
}

func partOf(g *leg) Part {
	first := &g.entries[0].r
	p := Part{Range: first.Cut(first.First, first.Next)} // Join grows its lists
	for i, e := range g.entries {
		if i > 0 {
			p.Join(&e.r)
		}
		var without map[int64]bool
		for _, o := range e.refused {
			if without == nil {
				without = map[int64]bool{}
			}
			without[o.Offset] = true
		}
		p.Items = append(p.Items, e.items(without)...)
	}
	return p
}

// withItems leaves out the parts with nothing to store.
func withItems(parts []Part) []Part {
	out := parts[:0]
	for _, p := range parts {
		if len(p.Items) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// send delivers one batch of a flight. A fault ends the sources that are in it.
func (s *Sink) send(f *flight, b Batch) {
	err := s.try(f, &b)
	if err != nil && isRefused(err) {
		if s.progress != nil {
			for i := range b.Parts {
				s.ground(f, &b.Parts[i], s.narrow(f, b.Parts[i]))
			}
			return
		}
		err = s.halve(f, b, err)
	}
	for i := range b.Parts {
		s.ground(f, &b.Parts[i], err)
	}
}

// ground ends a source of a flight, if there is an error.
func (s *Sink) ground(f *flight, p *Part, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := f.leg(p.Source); g.err == nil {
		g.err = fmt.Errorf("%s: writing offsets %d to %d of %s: %w", s.cfg.Name, p.First, p.Next-1, p.Source, err)
	}
}

func (f *flight) leg(src schemas.SourceID) *leg {
	for _, g := range f.legs {
		if g.l.src == src {
			return g
		}
	}
	panic("deliver: a part of a source that is not on the flight")
}

// try puts a batch until the store has it, refuses it, or the policy gives up. b loses what was given up meanwhile (D5).
func (s *Sink) try(f *flight, b *Batch) error {
	for tries := 1; ; tries++ {
		if s.live(f, b); len(b.Parts) == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(f.ctx, s.cfg.Timeout)
		err := s.store.Put(ctx, *b)
		cancel()
		switch {
		case err == nil || isRefused(err): // either way the store has answered
			s.cfg.Retry.Over(tries)
			return err
		case f.ctx.Err() != nil || isFinal(err):
			return err
		case tries >= s.cfg.Retry.Attempts:
			return fmt.Errorf("after %d tries: %w", tries, err)
		}
		s.cfg.Retry.Tell(tries, err)
		wait := s.cfg.Retry.Wait(tries)
		if l, ok := errors.AsType[later](err); ok {
			wait = max(wait, min(l.wait, MaxWait))
		}
		if !retry.Sleep(f.ctx, wait) {
			return err
		}
	}
}

// live leaves out of b the sources that were given up or have failed.
func (s *Sink) live(f *flight, b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var live []Part
	for _, p := range b.Parts {
		if g := f.leg(p.Source); len(g.entries) > 0 && g.err == nil {
			live = append(live, p)
		}
	}
	b.Parts = live
}

// halve finds the items that the store refuses and delivers the others (D4). Its error is not a refusal.
func (s *Sink) halve(f *flight, b Batch, err error) error {
	if b.Len() < 2 {
		return s.refuse(f, b, err)
	}
	one, two := b.halves()
	for _, h := range []Batch{one, two} {
		err := s.try(f, &h)
		if err != nil && isRefused(err) {
			err = s.halve(f, h, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse records that the one item of b is refused.
func (s *Sink) refuse(f *flight, b Batch, err error) error {
	if b.Len() == 0 {
		return fmt.Errorf("nothing was to be stored, and that was refused: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := b.Parts[0]
	for _, e := range f.leg(p.Source).entries {
		if it := &p.Items[0]; it.Offset >= e.r.First && it.Offset < e.r.Next {
			e.refused = append(e.refused, sinks.RefusedOffset{Offset: it.Offset, Err: fmt.Errorf("%s: %w", s.cfg.Name, err), Deletion: it.Row == nil})
		}
	}
	return nil
}

// narrow delivers a part, whose batch a store with progress refuses, by halves and in order, so that its source ends right before the offset that is refused.
func (s *Sink) narrow(f *flight, p Part) error {
	b := Batch{Parts: []Part{p}}
	err := s.try(f, &b)
	if err == nil || !isRefused(err) {
		return err
	}
	one, two, ok := p.halves()
	if !ok {
		return schemas.Rejectf(schemas.ReasonSinkReject, "offset %d: %w", p.Items[0].Offset, err)
	}
	if err := s.narrow(f, one); err != nil {
		return err
	}
	return s.narrow(f, two)
}
