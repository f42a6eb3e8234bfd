package embed

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"vecmill/schemas"
)

// A record whose trace is kept finds its stages in it, and the batches of its windows linked from both sides. Records beside it leave nothing.
func TestStagesAreToldInTheRecordsTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		cfg := testConfig()
		cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
		e, err := NewEngine(cfg, words{}, []Session{&adder{delay: 5}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var runner, jobs sync.WaitGroup
		runner.Go(func() { e.Run(ctx) })
		kept := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		dropped := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{3}, SpanID: trace.SpanID{4}})
		for blob, of := range map[string]trace.SpanContext{"3 5": kept, "4": dropped} {
			jobs.Add(1)
			if err := e.Submit(ctx, Job{Blob: []byte(blob), Trace: of, Done: func([]schemas.Row, error) { jobs.Done() }}); err != nil {
				t.Fatal(err)
			}
		}
		jobs.Wait()
		stop()
		runner.Wait()
		count, batches := map[string]int{}, map[trace.SpanID]bool{}
		for _, s := range spans.Ended() {
			count[s.Name()]++
			if s.Name() == "vecmill.batch" {
				batches[s.SpanContext().SpanID()] = true
				for _, l := range s.Links() {
					if !l.SpanContext.Equal(kept) {
						t.Errorf("a batch is linked to %v", l.SpanContext)
					}
				}
				continue
			}
			if s.SpanContext().TraceID() != kept.TraceID() || s.Parent().SpanID() != kept.SpanID() {
				t.Errorf("%s is of trace %s", s.Name(), s.SpanContext().TraceID())
			}
		}
		if count["vecmill.preprocess"] != 1 || count["vecmill.queue"] != 2 || count["vecmill.infer"] != 2 || count["vecmill.batch"] < 1 || count["vecmill.batch"] > 2 {
			t.Errorf("spans: %v", count)
		}
		for _, s := range spans.Ended() {
			if s.Name() == "vecmill.infer" && (len(s.Links()) != 1 || !batches[s.Links()[0].SpanContext.SpanID()]) {
				t.Errorf("%s is linked to %v", s.Name(), s.Links())
			}
		}
	})
}

// The totals of waiting and of sessions are those of the traces, where all of them are kept.
func TestTimesOfBatchesAreToldAndTotalledAsInTheTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		cfg := testConfig()
		cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
		cfg.Batch.MaxItems = 2
		var mu sync.Mutex
		told := map[trace.SpanID]time.Duration{}
		cfg.Took = func(ctx context.Context, d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			told[trace.SpanContextFromContext(ctx).SpanID()] = d
		}
		e, err := NewEngine(cfg, words{}, []Session{&adder{delay: time.Second}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var runner, jobs sync.WaitGroup
		runner.Go(func() { e.Run(ctx) })
		kept := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		for range 7 {
			jobs.Add(1)
			if err := e.Submit(ctx, Job{Blob: []byte("3"), Trace: kept, Done: func([]schemas.Row, error) { jobs.Done() }}); err != nil {
				t.Fatal(err)
			}
		}
		jobs.Wait()
		stop()
		runner.Wait()
		var queue, sessions time.Duration
		batches := 0
		for _, s := range spans.Ended() {
			took := s.EndTime().Sub(s.StartTime())
			switch s.Name() {
			case "vecmill.queue":
				queue += took
			case "vecmill.batch":
				batches++
				sessions += took
				if d, ok := told[s.SpanContext().SpanID()]; !ok || d != took {
					t.Errorf("a batch of %s was told as %s, %v", took, d, ok)
				}
			}
		}
		if s := e.Stats(); s.Queue != queue.Seconds() || queue < (1+1+2+2+3)*time.Second || s.Infer != sessions || len(told) != batches || int64(batches) != s.Batches || s.WaitingCost != 0 {
			t.Errorf("%+v; in traces %s in the queue, %s in %d batches, %d of them told", s, queue, sessions, batches, len(told))
		}
	})
}

// A batch that fails is a failure in its trace, which is linked once to each record, and those are as many as it has.
func TestABatchThatFailsIsAFailureInItsTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		cfg := testConfig()
		cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
		e, err := NewEngine(cfg, words{}, []Session{&adder{delay: time.Second, poison: 5}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var runner, jobs sync.WaitGroup
		runner.Go(func() { e.Run(ctx) })
		for i, blob := range []string{"3 3 3", "5"} { // three windows
			of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(1 + i)}, TraceFlags: trace.FlagsSampled})
			jobs.Add(1)
			if err := e.Submit(ctx, Job{Blob: []byte(blob), Trace: of, Done: func([]schemas.Row, error) { jobs.Done() }}); err != nil {
				t.Fatal(err)
			}
			jobs.Wait()
		}
		stop()
		runner.Wait()
		for _, s := range spans.Ended() {
			if s.Name() != "vecmill.batch" {
				continue
			}
			want := codes.Unset
			if s.Links()[0].SpanContext.SpanID() == (trace.SpanID{2}) {
				want = codes.Error
			}
			if got := s.Status().Code; got != want || len(s.Links()) != 1 {
				t.Errorf("the batch of record %v ends as %v, want %v; it has %d links", s.Links()[0].SpanContext.SpanID(), got, want, len(s.Links()))
			}
		}
		if n := e.Stats().Batches; n != 2 {
			t.Errorf("%d batches, want one for each record", n)
		}
	})
}
