package stream_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// stuckFetcher does not answer for one record, and panics for another.
type stuckFetcher struct {
	stream.Fetcher
	stuck, panics string // URIs
	met           atomic.Bool
}

func (f *stuckFetcher) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	switch {
	case ref.URI == f.stuck && f.met.CompareAndSwap(false, true):
		if err := reserve(ctx, nil, 10); err != nil {
			return nil, err
		}
		<-ctx.Done()
		return nil, ctx.Err()
	case ref.URI == f.panics:
		panic("a bug of the fetcher")
	}
	return f.Fetcher.Fetch(ctx, ref, reserve)
}

// whole is a source of one assignment of good records with offsets [0, n), drained at the end.
func (b *bench) whole(n int64) stream.Source {
	return script(func(ctx context.Context, a stream.Assignments) error {
		_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: n}})
		if err = errors.Join(err, a.Records(ctx, b.part, good(0, n), n)); err == nil {
			a.Revoked(ctx)
		}
		return err
	})
}

func TestASlowRecordHoldsUpItsOwnPartitionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		other := stream.Partition{Topic: "refs", ID: 1}
		source := script(func(ctx context.Context, a stream.Assignments) error {
			if _, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 500}, other: {Committed: -1, End: 200}}); err != nil {
				return err
			}
			slow, giveUp := context.WithCancel(ctx)
			var wg sync.WaitGroup
			wg.Go(func() { _ = a.Records(slow, b.part, good(0, 500), 500) }) // blocks: its first record never ends
			time.Sleep(time.Minute)
			limited, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			err := a.Records(limited, other, good(0, 200), 200)
			giveUp()
			wg.Wait()
			a.Lost()
			return err
		})
		ref, err := schemas.ParseRef(streamtest.Good.Value(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		// The other partition's records have the same references, but only one fetch gets stuck.
		p := b.pipeline(t, source, &stuckFetcher{Fetcher: streamtest.NewFetcher(1, time.Millisecond), stuck: ref.URI}, nil)
		if err := b.run(t, p); err != nil {
			t.Errorf("the other partition stands still: %v", err)
		}
	})
}

func TestAPanicOfTheFetcherIsOneRecordsFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		box := &streamtest.LetterBox{}
		ref, err := schemas.ParseRef(streamtest.Good.Value(0, 3))
		if err != nil {
			t.Fatal(err)
		}
		p := b.pipeline(t, b.whole(10), &stuckFetcher{Fetcher: streamtest.NewFetcher(1, time.Millisecond), panics: ref.URI}, box)
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		l, ok := box.Letter(schemas.SourceID{Pipeline: "p", Topic: "refs"}, 3)
		if !ok || l.Reason != schemas.ReasonPanic || b.c.of(b.part) != 10 {
			t.Errorf("letter %+v (%v), committed %d", l, ok, b.c.of(b.part))
		}
	})
}

func TestAReplayBelongsToThePipelineThatGaveTheLetter(t *testing.T) {
	for _, c := range []struct {
		name, header string
		rows         bool
	}{
		{"its own replay is computed", "p/refs/0/7", true},
		{"another pipeline's replay is skipped", "q/refs/0/7", false},
		{"a header that is no origin says nothing", "nonsense", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				source := script(func(ctx context.Context, a stream.Assignments) error {
					if _, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 1}}); err != nil {
						return err
					}
					rec := stream.Record{Value: streamtest.Good.Value(0, 0), Headers: []sinks.Header{{Key: schemas.ReplayHeader, Value: []byte(c.header)}}}
					err := a.Records(ctx, b.part, []stream.Record{rec}, 1)
					a.Revoked(ctx)
					return err
				})
				p := b.pipeline(t, source, streamtest.NewFetcher(1, time.Millisecond), nil)
				if err := b.run(t, p); err != nil {
					t.Fatal(err)
				}
				if s := p.Stats(); (s.Rows == 1) != c.rows || (s.Skipped == 1) == c.rows {
					t.Errorf("%d rows, %d skipped", s.Rows, s.Skipped)
				}
			})
		})
	}
}

func TestALogThatGrewMeanwhileIsNotAnotherLog(t *testing.T) {
	for _, c := range []struct {
		name string
		now  int64 // the end when it is looked up again
		want error
	}{
		{"a zombie wrote what came after the look-up", 20, nil},
		{"the topic was deleted and made again", 5, stream.ErrBeyondEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				first := b.pipeline(t, b.whole(20), streamtest.NewFetcher(1, time.Millisecond), nil)
				if err := b.run(t, first); err != nil {
					t.Fatal(err)
				}
				var got error
				source := script(func(ctx context.Context, a stream.Assignments) error {
					_, got = a.Assigned(ctx, grown{&b.c, c.now}, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 4}})
					return nil
				})
				if err := b.run(t, b.pipeline(t, source, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
					t.Fatal(err)
				}
				if !errors.Is(got, c.want) {
					t.Errorf("assigned gives %v, want %v", got, c.want)
				}
			})
		})
	}
}

// grown is a committer that knows the log's end.
type grown struct {
	*points
	end int64
}

func (g grown) End(context.Context, stream.Partition) (int64, error) { return g.end, nil }

// A manifest's drain has no deadline: it is cut off when the process is asked to end.
func TestADrainThatIsCutOffStillMakesFinishedRowsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 60}})
			if err := errors.Join(err, a.Records(ctx, b.part, good(0, 60), 60)); err != nil {
				return err
			}
			drain, cancel := context.WithCancel(ctx)
			time.AfterFunc(4*time.Second, cancel)
			a.Revoked(drain)
			return nil
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
		out, err := readChain(b.store, schemas.SourceID{Pipeline: "p", Topic: "refs"})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(out.Rows); n == 0 || n == 60 || b.c.of(b.part) != int64(n) {
			t.Fatalf("%d rows are durable, %d offsets committed; want some, not all, and as many", n, b.c.of(b.part))
		}
	})
}
