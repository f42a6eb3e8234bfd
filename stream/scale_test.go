package stream_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// references is how many are in flight of ten thousand partitions. A million (make scale) take 3 GB and half a minute of CPU.
var references = flag.Int("references", 100_000, "references in flight in TestManyPartitionsAndReferencesInFlight")

// wide is a topic of many partitions, all of which one worker has, with some records in each. It is a source, its committer, a fetcher, an engine that computes nothing until it
// is told to, and a sink that is durable at once.
type wide struct {
	parts, each int
	read        chan struct{} // closed when the records are to be read
	all         chan struct{} // closed when all are committed

	mu struct {
		sync.Mutex
		held      [][]func([]schemas.Row, error) // the ends of records that the engine has, by partition and offset
		committed map[stream.Partition]int64
		sum       int64
		commits   []int // partitions in each commit
	}
}

func newWide(parts, each int) *wide {
	w := &wide{parts: parts, each: each, read: make(chan struct{}), all: make(chan struct{})}
	w.mu.held = make([][]func([]schemas.Row, error), parts)
	for i := range w.mu.held {
		w.mu.held[i] = make([]func([]schemas.Row, error), each)
	}
	w.mu.committed = make(map[stream.Partition]int64, parts)
	return w
}

// Run implements stream.Source: every partition hands over its records at once, from a goroutine of its own.
func (w *wide) Run(ctx context.Context, a stream.Assignments) error {
	bounds := make(map[stream.Partition]stream.Bounds, w.parts)
	for i := range w.parts {
		bounds[stream.Partition{Topic: "wide", ID: i}] = stream.Bounds{End: int64(w.each)}
	}
	if _, err := a.Assigned(ctx, w, bounds); err != nil {
		return err
	}
	var reading sync.WaitGroup
	for i := range w.parts {
		reading.Go(func() {
			<-w.read
			recs := make([]stream.Record, w.each)
			for n := range recs {
				recs[n] = stream.Record{Offset: int64(n), Value: fmt.Appendf(nil, `{"v":1,"id":"%d-%d","uri":"s3://lake/calls/2026/11/29/%08d.wav","modality":"audio"}`, i, n, i*w.each+n)}
			}
			_ = a.Records(ctx, stream.Partition{Topic: "wide", ID: i}, recs, int64(w.each))
		})
	}
	reading.Wait()
	select {
	case <-w.all:
	case <-ctx.Done():
	}
	a.Revoked(ctx)
	return nil
}

// commitTakes is how long the broker takes for a commit.
const commitTakes = 20 * time.Millisecond

// Commit implements stream.Committer.
func (w *wide) Commit(_ context.Context, next map[stream.Partition]int64) error {
	time.Sleep(commitTakes)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.commits = append(w.mu.commits, len(next))
	for p, n := range next {
		w.mu.sum += n - w.mu.committed[p]
	}
	maps.Copy(w.mu.committed, next)
	if w.mu.sum == int64(w.parts*w.each) {
		close(w.all)
	}
	return nil
}

// Fetch implements stream.Fetcher.
func (w *wide) Fetch(ctx context.Context, _ schemas.Ref, reserve stream.Reserve) (*stream.Blob, error) {
	body := []byte("short")
	if err := reserve(ctx, body, int64(len(body))); err != nil {
		return nil, err
	}
	return &stream.Blob{Data: body}, nil
}

// Footprint implements stream.Engine.
func (w *wide) Footprint(schemas.Ref, []byte, int64) (int64, error) { return 100, nil }

// Submit implements stream.Engine.
func (w *wide) Submit(_ context.Context, j embed.Job) error {
	part, offset, _ := strings.Cut(j.Ref.ID, "-")
	p, err := strconv.Atoi(part)
	o, wrong := strconv.Atoi(offset)
	if err != nil || wrong != nil {
		return errors.Join(err, wrong)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.held[p][o] = j.Done
	return nil
}

// finish computes what the first partitions have of their first n records, out of order as batches are: the last first.
func (w *wide) finish(parts, n int) {
	var computing sync.WaitGroup
	for k := range 4 {
		computing.Go(func() {
			for p := k; p < parts; p += 4 {
				for o := n - 1; o >= 0; o-- {
					if done := w.mu.held[p][o]; done != nil {
						done([]schemas.Row{{}}, nil)
						w.mu.held[p][o] = nil
					}
				}
			}
		})
	}
	computing.Wait()
}

// durable is a sink whose rows are safe at once.
type durable struct{}

func (durable) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	return 0, false, nil
}

func (durable) Write(_ context.Context, _ schemas.Range, _ []schemas.Row, done func(error)) error {
	done(nil)
	return nil
}
func (durable) Flush(context.Context) error { return nil }
func (durable) Forget(schemas.SourceID)     {}
func (durable) Close(context.Context) error { return nil }

var _ sinks.Sink = durable{}

// scale is what a wide topic took.
type scale struct {
	perPartition float64       // bytes for each partition that is read: what the heap has of it, and its goroutines' stacks
	perReference float64       // bytes of the heap for each reference in flight, its record with it
	first, last  time.Duration // from the first and the last rows' being durable until they were committed
	commits      []int         // partitions in each commit
}

// busy is the number of partitions that are computed before the others.
const busy = 10

// measure has all records of a wide topic in flight, and then computes a record of each of a few partitions, and then everything. It runs in a bubble of virtual time: what passes there is waited for,
// whatever the machine does.
func measure(tb testing.TB, parts, each int) (s scale) {
	tb.Helper()
	w := newWide(parts, each)
	began, _ := memory()
	p, err := stream.New(stream.Config{
		Name: "wide", Modality: schemas.Audio, MaxInFlight: parts * each, Fetchers: 16, Budget: 1 << 40, CommitInterval: time.Second,
	}, w, w, w, durable{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	made, before := memory() // room for references: they are waited for in queues that have a place for each
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background()) }()
	synctest.Wait()
	assigned, stacks := memory()
	s.perPartition = float64(assigned-made+stacks-before) / float64(parts)
	close(w.read)
	synctest.Wait()
	full, _ := memory()
	s.perReference = float64(full-assigned+made-began) / float64(parts*each)
	s.first = w.settled(tb, busy, 1, busy)
	s.last = w.settled(tb, parts, each, int64(parts*each))
	if err := <-ended; err != nil {
		tb.Fatal(err)
	}
	s.commits = w.mu.commits
	return s
}

// settled finishes records and says how long it takes until so many offsets are committed.
func (w *wide) settled(tb testing.TB, parts, n int, want int64) time.Duration {
	tb.Helper()
	w.finish(parts, n)
	began := time.Now()
	for range 100 {
		w.mu.Lock()
		sum := w.mu.sum
		w.mu.Unlock()
		if sum == want {
			return time.Since(began)
		}
		time.Sleep(commitTakes)
	}
	tb.Fatalf("%d of %d offsets are not committed after %v", want-w.mu.sum, want, time.Since(began))
	return 0
}

// memory is what lives, and what stacks take, in bytes.
func memory() (heap, stacks int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// What is in flight takes memory in proportion and no more, however many partitions it is of, and what is durable is committed at the next interval, in one commit of the partitions that
// have come further and of no others.
func TestManyPartitionsAndReferencesInFlight(t *testing.T) {
	for _, size := range [][2]int{{10, 1_000}, {10_000, *references / 10_000}} {
		synctest.Test(t, func(t *testing.T) {
			parts, each := size[0], size[1]
			s := measure(t, parts, each)
			t.Logf("%d partitions, %d references in flight: %.0f bytes for each partition, %.0f for each reference; committed after %v and %v, in commits of %v partitions", parts, parts*each, s.perPartition, s.perReference, s.first, s.last, s.commits)
			if s.perReference > 1800 {
				t.Errorf("%d partitions: %.0f bytes for a reference in flight", parts, s.perReference)
			}
			if parts > 1000 && s.perPartition > 16<<10 {
				t.Errorf("%d partitions: %.0f bytes for each", parts, s.perPartition)
			}
			if most := time.Second + 2*commitTakes; s.first > most || s.last > most {
				t.Errorf("%d partitions: committed %v and %v after it was durable, want within %v", parts, s.first, s.last, most)
			}
			if len(s.commits) != 2 || s.commits[0] != busy || s.commits[1] != parts {
				t.Errorf("commits of %v partitions, want one of %d and one of %d", s.commits, busy, parts)
			}
		})
	}
}
