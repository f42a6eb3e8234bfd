package kafkasource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// assignment is one generation's life.
type assignment struct {
	b   *broker
	gen *kafka.Generation
	a   stream.Assignments
	m   *membership
	c   *committer
}

func newAssignment(b *broker, gen *kafka.Generation, a stream.Assignments) *assignment {
	m := newMembership(b, gen)
	return &assignment{b: b, gen: gen, a: a, m: m, c: &committer{m: m, parts: map[stream.Partition]bool{}}}
}

// live delivers until ctx ends (final), a fault occurs (final, with the error), or the generation is over, and then ends the assignment.
func (s *assignment) live(ctx, over context.Context) (final bool, err error) {
	var wg sync.WaitGroup
	beats, stopBeats := context.WithCancel(context.WithoutCancel(ctx))
	work, stopWork := context.WithCancel(ctx)
	defer func() {
		stopWork()
		stopBeats()
		wg.Wait()
	}()
	wg.Go(func() { s.m.beat(beats) })
	ended := make(chan time.Time, 1) // when work ended: one send, which never blocks
	wg.Go(func() {
		defer stopWork()
		select {
		case <-over.Done():
		case <-s.m.rebalance:
		case <-s.m.lost:
		case <-work.Done():
		}
		ended <- time.Now()
	})
	committed := s.committed()
	watched := make(chan error, 1) // one result: the send never blocks
	wg.Go(func() {
		defer stopWork()
		watched <- s.b.watchTopics(work, committed)
	})
	if err := s.serve(ctx, work, beats, committed); err != nil {
		return true, fmt.Errorf("kafka source: generation %d: %w", s.gen.ID, err)
	}
	stopWork()
	if err = <-watched; err == nil && ctx.Err() == nil {
		err = s.b.beforeJoin(ctx, (<-ended).Add(s.b.cfg.rejoinTimeout())) // heartbeats, which go on, do not keep a member in a group that waits for it to join
	}
	if err != nil {
		return true, fmt.Errorf("kafka source: %w", err)
	}
	return ctx.Err() != nil, nil
}

// serve begins the assignment, delivers until work ends or a fault occurs, and ends it.
func (s *assignment) serve(ctx, work, beats context.Context, committed map[stream.Partition]int64) error {
	if len(committed) == 0 {
		s.b.joined(nil)
		s.b.log.Info("no partitions for this member", "generation", s.gen.ID)
		if a, ok := s.a.(stream.Spare); ok {
			a.Spare()
		}
		<-work.Done()
		return nil
	}
	start, err := s.begin(work, committed)
	switch {
	case err != nil && work.Err() != nil:
		return nil // the assignment ended while it began
	case err != nil:
		return err
	}
	err = s.consume(work, start)
	s.finish(ctx, beats)
	return err
}

// committed is the group's offset of each assigned partition, -1 where there is none.
func (s *assignment) committed() map[stream.Partition]int64 {
	parts := map[stream.Partition]int64{}
	for topic, assigned := range s.gen.Assignments {
		for _, p := range assigned {
			part := stream.Partition{Topic: topic, ID: p.ID}
			parts[part] = max(p.Offset, -1)
			s.c.parts[part] = true
		}
	}
	return parts
}

// begin looks the bounds up and starts the assignment.
func (s *assignment) begin(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]int64, error) {
	begun, err := s.b.beginCounts(ctx, committed)
	if err != nil {
		return nil, err
	}
	s.c.begun = begun
	bounds, err := s.b.beginBounds(ctx, committed)
	if err != nil {
		return nil, err
	}
	s.b.joined(committed)
	for p, b := range bounds {
		b.Added = b.Committed < 0 && p.ID >= begun[p.Topic].parts
		bounds[p] = b
	}
	start, err := s.a.Assigned(ctx, s.c, bounds)
	if err != nil {
		return nil, fmt.Errorf("beginning the assignment: %w", err)
	}
	for p := range bounds {
		if _, ok := start[p]; !ok {
			s.a.Lost()
			return nil, fmt.Errorf("beginning the assignment: no place to start %s", p)
		}
	}
	s.tellAdded(bounds, start)
	return start, nil
}

// tellAdded logs which partitions are taken for added, since nothing else shows why they begin elsewhere than start_at says. Where no commit says with how many the group began, a tool that has reset only some partitions makes the later ones pass for added.
func (s *assignment) tellAdded(bounds map[stream.Partition]stream.Bounds, start map[stream.Partition]int64) {
	added := map[string][]string{}
	for _, p := range slices.SortedFunc(maps.Keys(bounds), func(a, b stream.Partition) int { return a.ID - b.ID }) {
		if bounds[p].Added {
			added[p.Topic] = append(added[p.Topic], fmt.Sprintf("%d from %d", p.ID, start[p]))
		}
	}
	for topic, parts := range added {
		by := "inferred: those up to the last that has a commit"
		if s.c.begun[topic].said {
			by = "said by a commit"
		}
		s.b.log.Warn("partitions are taken for added since the group began with their topic", "topic", topic, "partitions", parts, "begun_with", s.c.begun[topic].parts, "begun_with_is", by)
	}
}

// consume fetches all partitions until ctx ends or one of them fails.
func (s *assignment) consume(ctx context.Context, start map[stream.Partition]int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	failed := make(chan error, len(start)) // one slot per goroutine: a send never blocks
	var all []*fetcher
	for p, next := range start {
		f := &fetcher{b: s.b, a: s.a, part: p, next: next, isolation: kafka.ReadCommitted}
		all = append(all, f)
		wg.Go(func() {
			if err := f.loop(ctx); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("reading %s: %w", p, err)
				cancel(err)
			}
		})
	}
	wg.Go(func() { s.watchEnds(ctx, all) }) // fetchers end when ctx has, or end it
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// endsEvery is how often the ends of logs are looked up that no fetch tells: less often than metrics are collected, and lag would stand still between.
const endsEvery = 10 * time.Second

// watchEnds tells, until ctx ends, where the logs end of partitions whose records wait to be taken in: they are not fetched from meanwhile, for as long as the
// pipeline is full, and that is when lag grows. What is not found out now is asked for again.
func (s *assignment) watchEnds(ctx context.Context, all []*fetcher) {
	for retry.Sleep(ctx, endsEvery) {
		var g errgroup.Group
		g.SetLimit(lookups)
		for _, f := range all {
			if !f.full.Load() {
				continue
			}
			g.Go(func() error {
				end, err := s.b.end(ctx, f.part)
				if err != nil {
					s.b.log.Debug("looking up where a log ends failed", "partition", f.part.String(), "err", err)
					return nil
				}
				s.a.Ends(f.part, end)
				return nil
			})
		}
		_ = g.Wait() // nothing fails
	}
}

// finish ends the assignment: Lost if the broker has given it to others, Revoked otherwise. Heartbeats go on meanwhile.
func (s *assignment) finish(ctx, beats context.Context) {
	defer s.c.ended.Store(true)
	if !s.m.isLost() && ctx.Err() == nil {
		s.m.check(beats) // the generation's end does not say why; one heartbeat does
	}
	if s.m.isLost() {
		s.a.Lost()
		return
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.b.cfg.DrainTimeout)
	defer cancel()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-s.m.lost:
			cancel() // nothing to drain for any more
		case <-stop:
		}
	})
	began := time.Now()
	s.a.Revoked(drain)
	close(stop)
	wg.Wait()
	if drain.Err() != nil && !s.m.isLost() {
		s.b.log.Warn("draining did not end in time; its records are read again", "timeout", s.b.cfg.DrainTimeout, "took", time.Since(began))
	}
}
