package stream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// restarts is a committer whose assignment can be ended before its time.
type restarts struct {
	*points
	asked chan struct{} // cap 1: asked twice is asked
}

// Restart implements stream.Restarter.
func (c restarts) Restart() {
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

// Two that both found no output begin at different places. The one that comes second goes on behind the first, as it would after a start, and drains before like for a rebalance.
func TestAnOutputThatBeganElsewhereIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		other := &bench{store: b.store, part: b.part}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			c := restarts{&b.c, make(chan struct{}, 1)}
			start, err := a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{b.part: {Committed: 10, End: 20}})
			if err != nil || start[b.part] != 10 {
				t.Errorf("starts at %d, %v", start[b.part], err)
			}
			if err := other.run(t, other.pipeline(t, other.whole(5), streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
				t.Error(err)
			}
			err = errors.Join(err, a.Records(ctx, b.part, good(10, 10), 20))
			time.Sleep(time.Minute) // computed
			if err := b.sink.Flush(ctx); !errors.Is(err, sinks.ErrFenced) {
				t.Errorf("flushing gives %v", err)
			}
			select {
			case <-c.asked:
			case <-ctx.Done():
				return errors.New("the pipeline has ended instead of beginning again")
			}
			err = errors.Join(err, a.Records(ctx, b.part, good(20, 30), 50)) // what a source hands over before it has ended the assignment
			drain, cancel := context.WithTimeout(ctx, 10*time.Minute)
			defer cancel()
			began := time.Now()
			a.Revoked(drain)
			if took := time.Since(began); took > time.Minute {
				t.Errorf("the drain took %v", took)
			}
			if got := b.c.of(b.part); got != 0 {
				t.Errorf("%d is committed of what is not durable", got)
			}
			start, again := a.Assigned(ctx, c, map[stream.Partition]stream.Bounds{b.part: {Committed: 10, End: 50}})
			if start[b.part] != 5 {
				t.Errorf("goes on at %d, want 5", start[b.part])
			}
			err = errors.Join(err, again, a.Records(ctx, b.part, good(5, 45), 50))
			a.Revoked(ctx)
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
		out, err := readChain(b.store, schemas.SourceID{Pipeline: "p", Topic: "refs"})
		if err != nil {
			t.Fatal(err)
		}
		rows := map[int64]int{}
		for _, r := range out.Rows {
			rows[r.Offset]++
		}
		for o := range int64(50) {
			if rows[o] != 1 {
				t.Errorf("%d rows of offset %d", rows[o], o)
			}
		}
		if got := b.c.of(b.part); got != 50 {
			t.Errorf("%d of 50 committed", got)
		}
	})
}

// fenced is a sink whose output is always taken back.
type fenced struct{ slow }

func (f *fenced) Write(_ context.Context, _ schemas.Range, _ []schemas.Row, done func(error)) error {
	f.open.Go(func() { done(sinks.ErrFenced) })
	return nil
}

func TestAnOutputThatIsTakenBackAgainAndAgainEndsThePipeline(t *testing.T) {
	for _, c := range []struct {
		name     string
		every    time.Duration // between an assignment and its records
		restarts bool          // the source can begin another assignment
		assigned int
	}{
		{"a source that cannot begin again", time.Minute, false, 1},
		{"twice within ten minutes", 9 * time.Minute, true, 2},
		{"seldom", 11 * time.Minute, true, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, assigned := newBench(), 0
				b.other = &fenced{}
				src := script(func(ctx context.Context, a stream.Assignments) error {
					for ; assigned < 5 && ctx.Err() == nil; a.Revoked(ctx) {
						again := restarts{&b.c, make(chan struct{}, 1)}
						committer := stream.Committer(again)
						if !c.restarts {
							committer = &b.c
						}
						if _, err := a.Assigned(ctx, committer, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 5}}); err != nil {
							return err
						}
						assigned++
						time.Sleep(c.every)
						if err := a.Records(ctx, b.part, good(0, 5), 5); err != nil {
							return err
						}
						select {
						case <-again.asked:
						case <-ctx.Done():
						}
					}
					return nil
				})
				err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil))
				if assigned != c.assigned || errors.Is(err, sinks.ErrFenced) != (c.assigned < 5) {
					t.Errorf("%d assignments, want %d; %v", assigned, c.assigned, err)
				}
			})
		})
	}
}

// webhook keeps no progress.
type webhook struct{}

func (webhook) Put(context.Context, deliver.Batch) error { return nil }
func (webhook) Close() error                             { return nil }

func TestATopicThatWasMadeAgainIsRefusedBesideAnOutputWithoutProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		if err := b.run(t, b.pipeline(t, b.whole(5), streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
		again := &bench{store: b.store, part: b.part, beside: besideStore(t)}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &again.c, map[stream.Partition]stream.Bounds{again.part: {Committed: -1, End: 3}})
			return err
		})
		if err := again.run(t, again.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); !errors.Is(err, stream.ErrBeyondEnd) {
			t.Fatalf("got %v, want ErrBeyondEnd", err)
		}
	})
}

// besideStore is an output that keeps no progress.
func besideStore(t *testing.T) sinks.Sink {
	t.Helper()
	cfg := deliver.NewDefaultConfig()
	cfg.Name = "rows"
	rows, err := deliver.New(cfg, webhook{})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// The others say where to go on, also where that is before what the group has committed, or before the place that start_at has chosen.
func TestAnOutputThatWasTakenBackBesideOneWithoutProgressIsResumed(t *testing.T) {
	for _, c := range []struct {
		name   string
		from   stream.StartAt
		bounds stream.Bounds
		start  int64
		lost   int64
	}{
		{"behind the commit", stream.StartFirst, stream.Bounds{Committed: 10, End: 20}, 5, 0},
		{"nothing committed, from the log's end", stream.StartLast, stream.Bounds{Committed: -1, End: 20}, 5, 0},
		{"nothing committed, from the log's beginning", stream.StartFirst, stream.Bounds{Committed: -1, End: 20}, 0, 0},
		{"the log begins behind it", stream.StartFirst, stream.Bounds{Committed: 10, First: 8, End: 20}, 8, 3},
		{"before it", stream.StartFirst, stream.Bounds{Committed: 3, End: 20}, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				if err := b.run(t, b.pipeline(t, b.whole(5), streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
					t.Fatal(err)
				}
				again := &bench{store: b.store, part: b.part, from: c.from}
				src := script(func(ctx context.Context, a stream.Assignments) error {
					start, err := a.Assigned(ctx, &again.c, map[stream.Partition]stream.Bounds{again.part: c.bounds})
					if err != nil || start[again.part] != c.start {
						t.Errorf("starts at %d, %v; want %d", start[again.part], err, c.start)
					}
					next := start[again.part]
					err = errors.Join(err, a.Records(ctx, again.part, good(next, 20-next), 20))
					a.Revoked(ctx)
					return err
				})
				again.beside = besideStore(t)
				p := again.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)
				if err := again.run(t, p); err != nil {
					t.Fatal(err)
				}
				if got := again.c.of(again.part); got != 20 {
					t.Errorf("%d is committed, want 20", got)
				}
				if s := p.Stats(); s.Lost != c.lost {
					t.Errorf("%d records are counted as lost, want %d", s.Lost, c.lost)
				}
				out, err := readChain(b.store, schemas.SourceID{Pipeline: "p", Topic: "refs"})
				if err != nil {
					t.Fatal(err)
				}
				have := map[int64]int{}
				for _, r := range out.Rows {
					have[r.Offset]++
				}
				for o := range int64(20) {
					if lost := 5 <= o && o < 5+c.lost; lost != (have[o] == 0) || have[o] > 1 {
						t.Errorf("%d rows of offset %d", have[o], o)
					}
				}
			})
		})
	}
}
