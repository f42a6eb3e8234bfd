package stream_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
	store *sinktest.MemStore
	part  stream.Partition
	c     points
}

func newBench() *bench {
	return &bench{store: sinktest.NewMemStore(), part: stream.Partition{Topic: "refs"}}
}

func (b *bench) sink(t *testing.T) *parquetsink.Sink {
	t.Helper()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Prefix, cfg.Tasks = b.store, "out", []schemas.Task{schemas.TaskEmbedding}
	cfg.Compression, cfg.RollAge = parquetsink.None, time.Hour
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// run runs a pipeline over the source with batches of a second each.
func (b *bench) run(t *testing.T, src stream.Source, f stream.Fetcher, dead sinks.DeadLetters) (*stream.Pipeline, error) {
	t.Helper()
	engine, err := streamtest.NewEngine(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	sink := b.sink(t)
	p, err := stream.New(stream.Config{
		Name: "p", Modality: schemas.Text, MaxInFlight: 64, Fetchers: 4, Budget: 1 << 20, CommitInterval: time.Second, Log: slog.New(slog.DiscardHandler),
	}, src, f, engine, sink, dead)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { engine.Run(ctx) })
	err = p.Run(ctx)
	stop()
	wg.Wait()
	if err := sink.Close(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
	return p, err
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
		_, err := b.run(t, script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 60}})
			if err := errors.Join(err, a.Records(ctx, b.part, good(0, 60), 60)); err != nil {
				return err
			}
			drain, cancel := context.WithTimeout(ctx, 6*time.Second)
			defer cancel()
			a.Revoked(drain)
			return nil
		}), streamtest.NewFetcher(1, time.Millisecond), &streamtest.LetterBox{})
		if err != nil {
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
