package stream_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

// wide is a topic of many partitions, all of which one worker has, with some records in each. It is a source, its committer, a fetcher, an engine that computes nothing until it
// has everything, and a sink that is durable at once.
type wide struct {
	parts, each int
	full        chan struct{} // closed when the engine has all records
	all         chan struct{} // closed when all are committed

	mu struct {
		sync.Mutex
		done      []func([]schemas.Row, error)
		committed map[stream.Partition]int64
		sum       int64
		commits   int
		largest   int // partitions in one commit
	}
}

func newWide(parts, each int) *wide {
	w := &wide{parts: parts, each: each, full: make(chan struct{}), all: make(chan struct{})}
	w.mu.committed = make(map[stream.Partition]int64, parts)
	return w
}

// Run implements stream.Source: every partition hands over its records at once, from a goroutine of its own.
func (w *wide) Run(ctx context.Context, a stream.Assignments) error {
	bounds := make(map[stream.Partition]stream.Bounds, w.parts)
	for i := range w.parts {
		bounds[stream.Partition{Topic: "wide", ID: i}] = stream.Bounds{Committed: -1, End: int64(w.each)}
	}
	if _, err := a.Assigned(ctx, w, bounds); err != nil {
		return err
	}
	var reading sync.WaitGroup
	for i := range w.parts {
		reading.Go(func() {
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

// Commit implements stream.Committer.
func (w *wide) Commit(_ context.Context, next map[stream.Partition]int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.commits++
	w.mu.largest = max(w.mu.largest, len(next))
	for p, n := range next {
		w.mu.sum += n - w.mu.committed[p]
	}
	maps.Copy(w.mu.committed, next)
	if w.mu.sum == int64(w.parts*w.each) {
		select {
		case <-w.all:
		default:
			close(w.all)
		}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.done = append(w.mu.done, j.Done); len(w.mu.done) == w.parts*w.each {
		close(w.full)
	}
	return nil
}

// finish computes everything that the engine has, out of order as batches are: those of a window the last first.
func (w *wide) finish() {
	w.mu.Lock()
	done := w.mu.done
	w.mu.done = nil
	w.mu.Unlock()
	var computing sync.WaitGroup
	for k := range 4 {
		computing.Go(func() {
			for i := k; i < len(done); i += 4 {
				at := i ^ 511
				if at >= len(done) { // what is left over at the end stays where it is
					at = i
				}
				done[at]([]schemas.Row{{}}, nil)
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
	perReference    float64       // bytes of the heap for each reference in flight, its record with it
	afterLast       time.Duration // from the last row's being durable until everything was committed
	commits, widest int
}

func runWide(tb testing.TB, parts, each int) scale {
	tb.Helper()
	w := newWide(parts, each)
	p, err := stream.New(stream.Config{
		Name: "wide", Modality: schemas.Audio, MaxInFlight: parts * each, Fetchers: 16, Budget: 1 << 40, CommitInterval: time.Second,
	}, w, w, w, durable{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	before := heap()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(tb.Context()) }()
	select {
	case <-w.full:
	case err := <-ended:
		tb.Fatalf("it ended early: %v", err)
	}
	s := scale{perReference: float64(heap()-before) / float64(parts*each)}
	w.finish()
	began := time.Now()
	if err := <-ended; err != nil {
		tb.Fatal(err)
	}
	s.afterLast, s.commits, s.widest = time.Since(began), w.mu.commits, w.mu.largest
	if w.mu.sum != int64(parts*each) {
		tb.Errorf("%d of %d offsets are committed", w.mu.sum, parts*each)
	}
	return s
}

// heap is what lives.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is in flight takes memory in proportion and no more, however many partitions it is of.
func TestManyPartitionsAndReferencesInFlight(t *testing.T) {
	for _, size := range [][2]int{{10, 2000}, {2000, 10}} {
		s := runWide(t, size[0], size[1])
		t.Logf("%d partitions, %d references in flight: %.0f bytes each, %v until all is committed, %d commits of %d partitions at most", size[0], size[0]*size[1], s.perReference, s.afterLast, s.commits, s.widest)
		if s.perReference > 3000 {
			t.Errorf("%d partitions: %.0f bytes for a reference in flight", size[0], s.perReference)
		}
	}
}

// BenchmarkScale has a million references in flight. It reports bytes-a-reference and commit-ms, from the last row's being durable until everything is committed, the interval of a second between.
func BenchmarkScale(b *testing.B) {
	for _, parts := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("partitions=%d", parts), func(b *testing.B) {
			for b.Loop() {
				s := runWide(b, parts, 1_000_000/parts)
				b.ReportMetric(s.perReference, "bytes-a-reference")
				b.ReportMetric(float64(s.afterLast.Milliseconds()), "commit-ms")
			}
		})
	}
}
