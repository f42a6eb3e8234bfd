package stream_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// script is a source that does what a test says.
type script func(ctx context.Context, a stream.Assignments) error

// Run implements stream.Source.
func (s script) Run(ctx context.Context, a stream.Assignments) error { return s(ctx, a) }

// points is a committer that remembers.
type points struct {
	mu   sync.Mutex
	next map[stream.Partition]int64
}

// Commit implements stream.Committer.
func (c *points) Commit(_ context.Context, next map[stream.Partition]int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = map[stream.Partition]int64{}
	}
	for p, n := range next {
		c.next[p] = n
	}
	return nil
}

func (c *points) of(p stream.Partition) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next[p]
}

// bench is one pipeline over one partition with a store that outlives it.
type bench struct {
	store  *sinktest.MemStore
	part   stream.Partition
	c      points
	from   stream.StartAt
	engine *embed.Engine
	sink   *parquetsink.Sink
	other  sinks.Sink           // in place of sink, if set
	beside sinks.Sink           // with sink, which then gives nothing back, if set
	change func(*stream.Config) // nil: none
}

func newBench() *bench {
	return &bench{store: sinktest.NewMemStore(), part: stream.Partition{Topic: "refs"}}
}

// pipeline computes batches of a second each, and rolls no file by itself.
func (b *bench) pipeline(t *testing.T, src stream.Source, f stream.Fetcher, dead sinks.DeadLetters) *stream.Pipeline {
	t.Helper()
	var err error
	if b.engine, err = streamtest.NewEngine(time.Second); err != nil {
		t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Prefix, cfg.Tasks = b.store, "out", []schemas.Task{schemas.TaskEmbedding}
	cfg.Compression, cfg.RollAge = parquetsink.None, time.Hour
	if b.sink, err = parquetsink.New(cfg); err != nil {
		t.Fatal(err)
	}
	if b.beside != nil {
		if b.other, err = sinks.NewTee(nil, sinks.Member{Name: "files", Sink: struct{ sinks.Sink }{b.sink}}, sinks.Member{Name: "beside", Sink: b.beside}); err != nil {
			t.Fatal(err)
		}
	}
	out := sinks.Sink(b.sink)
	if b.other != nil {
		out = b.other
	}
	sc := stream.Config{
		Name: "p", Modality: schemas.Text, StartAt: b.from, MaxInFlight: 64, Fetchers: 4, Budget: 1 << 20, MaxObject: 1 << 10, CommitInterval: time.Second, Log: slog.New(slog.DiscardHandler),
	}
	if b.change != nil {
		b.change(&sc)
	}
	p, err := stream.New(sc, src, f, boundless{b.engine}, out, dead)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a pipeline to its end.
func (b *bench) run(t *testing.T, p *stream.Pipeline) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.engine.Run(ctx) })
	err := p.Run(ctx)
	stop()
	wg.Wait()
	closing := b.sink.Close(context.WithoutCancel(ctx))
	if b.other != nil {
		closing = errors.Join(closing, b.other.Close(context.WithoutCancel(ctx)))
	}
	if closing != nil {
		t.Error(closing)
	}
	return err
}

func good(first, n int64) (recs []stream.Record) {
	for o := first; o < first+n; o++ {
		recs = append(recs, stream.Record{Offset: o, Value: streamtest.Good.Value(0, o)})
	}
	return recs
}

// A drain that runs out of time keeps what was finished: rows that wait in an open file are work that the next owner would do again.
func TestADrainThatRunsOutOfTimeStillMakesFinishedRowsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 60}})
			if err := errors.Join(err, a.Records(ctx, b.part, good(0, 60), 60)); err != nil {
				return err
			}
			drain, cancel := context.WithTimeout(ctx, 6*time.Second)
			defer cancel()
			a.Revoked(drain)
			return nil
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})); err != nil {
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

// References may inline their objects: MaxInFlight of them, each of a megabyte, would be more than any budget.
func TestRecordsWithLargeValuesWaitForMemoryOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		most := 0
		var p *stream.Pipeline
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 40}})
			recs := good(0, 40)
			for i := range recs {
				recs[i].Value = append(recs[i].Value, bytes.Repeat([]byte(" "), 40<<10)...)
			}
			recs[7].Value = append(recs[7].Value, bytes.Repeat([]byte(" "), 1<<20)...) // more than all there is: alone
			var wg sync.WaitGroup
			wg.Go(func() { err = errors.Join(err, a.Records(ctx, b.part, recs, 40)) })
			for range 100 {
				time.Sleep(100 * time.Millisecond)
				most = max(most, p.Stats().InFlight)
			}
			wg.Wait()
			a.Revoked(ctx)
			return err
		})
		p = b.pipeline(t, src, streamtest.NewFetcher(1, 300*time.Millisecond), &streamtest.LetterBox{})
		if err := b.run(t, p); err != nil {
			t.Fatal(err)
		}
		// 256 KiB of 80 KiB each: three that hold their record, the one that waits, and two with rows, which have overtaken the oldest of three while that was fetched.
		if most == 0 || most > 6 {
			t.Errorf("%d records in flight", most)
		}
		if got := b.c.of(b.part); got != 40 {
			t.Errorf("%d of 40 committed", got)
		}
	})
}

// The end of a log moves. A worker that starts there and dies before its first commit must not leave the choice to the next.
func TestTheEndOfTheLogIsCommittedAsTheStartBeforeAnythingIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.from = stream.StartLast
		src := script(func(ctx context.Context, a stream.Assignments) error {
			start, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 10}})
			if start[b.part] != 10 || b.c.of(b.part) != 10 {
				t.Errorf("starts at %d, committed %d, want 10", start[b.part], b.c.of(b.part))
			}
			a.Lost() // as good as a crash: nothing more is committed
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})); err != nil {
			t.Fatal(err)
		}
	})
}

// What is in a partition that was added came while the pipeline was at work: start_at: last passes over what was there before that.
func TestAnAddedPartitionBeginsWithItsFirstRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.from = stream.StartLast
		added, written := stream.Partition{Topic: "refs", ID: 1}, stream.Partition{Topic: "refs", ID: 2}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			parts := map[stream.Partition]stream.Bounds{
				b.part: {Committed: -1, First: 2, End: 10}, added: {Committed: -1, First: 3, End: 8, Added: true}, written: {Committed: -1, First: 0, End: 9, Added: true},
			}
			start, err := a.Assigned(ctx, &b.c, parts)
			for p, want := range map[stream.Partition]int64{b.part: 10, added: 3, written: 5} {
				if start[p] != want || b.c.of(p) != want {
					t.Errorf("%s starts at %d, committed %d, want %d", p, start[p], b.c.of(p), want)
				}
			}
			a.Lost()
			return err
		})
		before := bench{store: b.store, part: written}
		if err := before.run(t, before.pipeline(t, before.whole(5), streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
	})
}

// hostDown is a fetcher to which one object's host does not answer: it reserves, waits and gives up.
type hostDown struct {
	stream.Fetcher
	id   string
	wait time.Duration
}

// Fetch implements stream.Fetcher.
func (h hostDown) Fetch(ctx context.Context, ref schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	if ref.ID != h.id {
		return h.Fetcher.Fetch(ctx, ref, reserve)
	}
	if err := reserve(ctx, nil, -1); err != nil {
		return nil, err
	}
	time.Sleep(h.wait)
	return nil, schemas.Rejectf(schemas.ReasonFetchFailed, "no answer")
}

// boundless is an engine that cannot bound the memory of an object of which nothing is known.
type boundless struct{ *embed.Engine }

// Footprint implements stream.Engine.
func (e boundless) Footprint(ref schemas.Ref, head []byte, size int64) (int64, error) {
	if size < 0 {
		return 1 << 50, nil
	}
	return e.Engine.Footprint(ref, head, size)
}

func TestAnObjectThatIsTriedAgainDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		other := stream.Partition{Topic: "refs", ID: 1}
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 1}, other: {Committed: -1, End: 20}})
			err = errors.Join(err, a.Records(ctx, b.part, good(0, 1), 1))
			time.Sleep(time.Millisecond) // it reserves first
			err = errors.Join(err, a.Records(ctx, other, good(100, 20), 120))
			time.Sleep(time.Minute)
			if err := b.sink.Flush(ctx); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Second) // a commit interval
			if got := b.c.of(other); got != 120 {
				t.Errorf("while one object was tried again, 20 others came no further than %d", got)
			}
			a.Revoked(ctx)
			return err
		})
		fetcher := hostDown{streamtest.NewFetcher(1, time.Millisecond), "0-0", 2 * time.Minute}
		if err := b.run(t, b.pipeline(t, src, fetcher, &streamtest.LetterBox{})); err != nil {
			t.Fatal(err)
		}
	})
}
