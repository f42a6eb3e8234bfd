package stream_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// seen is a witness.
type seen struct {
	sync.Mutex
	fetched, computed, buried []int64
}

func (s *seen) Fetched(at stream.Position, _ *schemas.Ref, b *stream.Blob) {
	s.Lock()
	defer s.Unlock()
	if b.Data != nil {
		s.fetched = append(s.fetched, at.Offset)
	}
}

func (s *seen) Computed(at stream.Position, _ []schemas.Row) {
	s.Lock()
	defer s.Unlock()
	s.computed = append(s.computed, at.Offset)
}

func (s *seen) Buried(l *sinks.Letter) {
	s.Lock()
	defer s.Unlock()
	s.buried = append(s.buried, l.Offset)
}

func TestAWitnessSeesWhatPassesAndLagFallsToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := newBench(), &seen{}
		b.change = func(c *stream.Config) { c.Witness = w }
		recs := good(0, 4)
		recs[2].Value = streamtest.Garbage.Value(0, 2)
		recs[3].Value = streamtest.Missing.Value(0, 3)
		var p *stream.Pipeline
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 7}})
			if s := p.Stats(); s.Lag != 7 || s.Partitions != 1 || s.Waiting != 0 {
				t.Errorf("nothing read: lag %d of %d partitions, waiting %s", s.Lag, s.Partitions, s.Waiting)
			}
			err = errors.Join(err, a.Records(ctx, b.part, recs, 4))
			a.Ends(b.part, 9)
			time.Sleep(10 * time.Millisecond)
			if s := p.Stats(); s.Lag != 9 || s.Waiting < 10*time.Millisecond {
				t.Errorf("read, and nothing durable: lag %d, waiting %s", s.Lag, s.Waiting)
			}
			time.Sleep(time.Minute)
			if got := p.Places(); len(got) != 1 || got[0] != (stream.Place{Partition: b.part, Read: 4, Durable: 0, End: 9, Waiting: time.Minute + 10*time.Millisecond}) {
				t.Errorf("before the flush: %+v", got)
			}
			err = errors.Join(err, a.Records(ctx, b.part, nil, 9)) // the rest is not in the log
			a.Revoked(ctx)
			return err
		})
		p = b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		slices.Sort(w.fetched)
		slices.Sort(w.computed)
		slices.Sort(w.buried)
		if !slices.Equal(w.fetched, []int64{0, 1}) || !slices.Equal(w.computed, []int64{0, 1}) || !slices.Equal(w.buried, []int64{2, 3}) {
			t.Errorf("fetched %v, computed %v, buried %v", w.fetched, w.computed, w.buried)
		}
		if s := p.Stats(); s.Lag != 0 || s.Partitions != 0 || p.Places() != nil || b.c.of(b.part) != 9 {
			t.Errorf("without an assignment: lag %d of %d partitions, places %v; committed %d", s.Lag, s.Partitions, p.Places(), b.c.of(b.part))
		}
	})
}

// A partition whose leader did not answer at the start has no lag until the log tells where it ends.
func TestALogThatHasNotToldItsEndHasNoLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var p *stream.Pipeline
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: 3, End: stream.EndUnknown}})
			if s := p.Stats(); s.Lag != 0 {
				t.Errorf("of an end that is not known: lag %d", s.Lag)
			}
			a.Ends(b.part, 9)
			if s := p.Stats(); s.Lag != 6 {
				t.Errorf("from 3 to 9: lag %d", s.Lag)
			}
			a.Revoked(ctx)
			return err
		})
		p = b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
	})
}
