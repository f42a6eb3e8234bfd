package stream_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

func TestChosenHeadersAndTheTraceTravelWithTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
		b := newBench()
		b.change = func(c *stream.Config) {
			c.Tracer = provider.Tracer("")
			c.Carry = stream.Carry{Headers: []string{"tenant", "traceparent", "long", "bad", "none", "own"}, Prefix: "h."}
		}
		const trace = "0af7651916cd43dd8448eb211c80319c"
		own := `{"v":1,"id":"x","uri":"s3://bucket/good/0/1","attributes":{"h.own":"the reference's"}}`
		src := script(func(ctx context.Context, a stream.Assignments) error {
			_, err := a.Assigned(ctx, &b.c, map[stream.Partition]stream.Bounds{b.part: {Committed: -1, End: 3}})
			recs := []stream.Record{
				{Offset: 0, Value: streamtest.Good.Value(0, 0)},
				{Offset: 1, Value: []byte(own), Headers: []sinks.Header{
					{Key: "tenant", Value: []byte("first")},
					{Key: "tenant", Value: []byte("acme")},
					{Key: "long", Value: []byte(strings.Repeat("é", 600))},
					{Key: "bad", Value: []byte("a\xffb")},
					{Key: "own", Value: []byte("the header's")},
					{Key: "other", Value: []byte("x")},
					{Key: "traceparent", Value: []byte("00-" + trace + "-b7ad6b7169203331-01")},
					{Key: "tracestate", Value: []byte("v=1")},
				}},
				{Offset: 2, Value: streamtest.Good.Value(0, 2), Headers: []sinks.Header{{Key: "traceparent", Value: []byte("nonsense")}}},
			}
			err = errors.Join(err, a.Records(ctx, b.part, recs, 3))
			a.Revoked(ctx)
			return err
		})
		if err := b.run(t, b.pipeline(t, src, streamtest.NewFetcher(1, time.Millisecond), nil)); err != nil {
			t.Fatal(err)
		}
		out, err := readChain(b.store, schemas.SourceID{Pipeline: "p", Topic: "refs"})
		if err != nil || len(out.Rows) != 3 {
			t.Fatal(err, len(out.Rows))
		}
		want := map[string]string{
			"h.tenant": "acme", "h.long": strings.Repeat("é", 512), "h.bad": "a\ufffdb", "h.own": "the reference's", "h.traceparent": "00-" + trace + "-b7ad6b7169203331-01",
		}
		if got := out.Rows[1].Attributes; !maps.Equal(got, want) {
			t.Errorf("attributes %q", got)
		}
		if len(out.Rows[0].Attributes) != 0 {
			t.Errorf("attributes %q of a record without headers", out.Rows[0].Attributes)
		}
		byName := map[string]sdktrace.ReadOnlySpan{}
		for _, s := range spans.Ended() { // of the one record whose producer sampled it
			byName[s.Name()] = s
			if s.SpanContext().TraceID().String() != trace || s.SpanContext().TraceState().Get("v") != "1" {
				t.Errorf("span %s is of trace %s", s.Name(), s.SpanContext().TraceID())
			}
		}
		record := byName["vecmill.record"]
		if record == nil || record.Parent().SpanID().String() != "b7ad6b7169203331" || !record.Parent().IsRemote() {
			t.Fatalf("the record's span: %v", record)
		}
		last := record.StartTime()
		for _, name := range []string{"vecmill.fetch", "vecmill.write", "vecmill.commit"} {
			s := byName[name]
			if s == nil || s.Parent().SpanID() != record.SpanContext().SpanID() || s.StartTime().Before(last) || s.EndTime().Before(s.StartTime()) {
				t.Fatalf("%s: %v", name, s)
			}
			last = s.EndTime()
		}
		if n := len(spans.Ended()); n != 4 {
			t.Errorf("%d spans, want 4", n)
		}
	})
}
