package stream_test

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// A record that fails is found in traces by its status, wherever it failed, and its trace goes to the commit all the same.
func TestWhatFailsIsAFailureInItsTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		_, err := several(t, []string{
			0: ref(streamtest.Good, 0), 1: ref(streamtest.Garbage, 1), 2: ref(streamtest.Missing, 2), 3: ref(streamtest.Damaged, 3), 4: ref(streamtest.Poison, 4),
			5: ref(streamtest.Good, 5) + ref(streamtest.Elsewhere, 6), // the second is nobody's
			6: ref(streamtest.Panics, 7),
		}, func(c *stream.Config) {
			c.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("")
		})
		if err != nil {
			t.Fatal(err)
		}
		names, failed := map[int64][]string{}, map[int64]codes.Code{}
		offsets := map[string]int64{}
		for _, s := range spans.Ended() {
			if s.Name() != "vecmill.record" {
				continue
			}
			at, _ := s.Attributes()[slices.IndexFunc(s.Attributes(), func(a attribute.KeyValue) bool { return a.Key == "offset" })].Value.AsInterface().(int64)
			offsets[s.SpanContext().TraceID().String()] = at
			failed[at] = s.Status().Code
		}
		for _, s := range spans.Ended() {
			at, known := offsets[s.SpanContext().TraceID().String()]
			if !known {
				t.Errorf("%s is of no record", s.Name())
			}
			names[at] = append(names[at], s.Name())
		}
		fate := []string{"vecmill.commit", "vecmill.letter", "vecmill.record", "vecmill.write"}
		fetched := append([]string{"vecmill.fetch"}, fate...)
		slices.Sort(fetched)
		for at, want := range [][]string{0: {"vecmill.commit", "vecmill.fetch", "vecmill.record", "vecmill.write"}, 1: fate, 2: fetched, 3: fetched, 4: fetched, 5: fate, 6: fetched} {
			got := names[int64(at)]
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("the trace of offset %d has %q, want %q", at, got, want)
			}
		}
		want := map[int64]codes.Code{0: codes.Unset, 1: codes.Error, 2: codes.Error, 3: codes.Error, 4: codes.Error, 5: codes.Error, 6: codes.Error}
		if !maps.Equal(failed, want) {
			t.Errorf("states of the records' spans: %v, want %v", failed, want)
		}
	})
}
