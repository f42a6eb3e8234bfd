package wire

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"vecmill/internal/config"
)

// TestOneTraceGoesFromTheMessageToItsCommit sends records whose producer keeps their traces, which the worker itself would not, and one whose producer does not. Each trace that is kept has every
// step once, below the producer's own span; a batch is a trace of its own, linked to its records, and their inference to it.
func TestOneTraceGoesFromTheMessageToItsCommit(t *testing.T) {
	w := newInputWorld(t, "live")
	const kept = 5
	var records []kafka.Record
	for i := range kept + 1 {
		flags := 1
		if i == kept {
			flags = 0
		}
		records = append(records, record(fmt.Sprintf(`{"v":1,"id":"%d","inline_text":"hello"}`, i), "traceparent", fmt.Sprintf("00-%032x-%016x-%02x", 100+i, 200+i, flags)))
	}
	w.produce(t, "live", records...)
	c := w.config(t, [2]string{"p", "  topics: [live]"})
	collector := newTraced(t)
	c.Telemetry = config.Telemetry{OTLPEndpoint: collector.url, Listen: "127.0.0.1:0"}
	w.runTo(t, c, io.Discard, kept+1)

	traces, batches := map[string][]*tracev1.Span{}, map[string]*tracev1.Span{}
	for _, s := range collector.spans {
		if s.Name == "vecmill.batch" {
			batches[string(s.SpanId)] = s
			continue
		}
		id := fmt.Sprintf("%x", s.TraceId)
		traces[id] = append(traces[id], s)
	}
	steps := []string{"vecmill.commit", "vecmill.fetch", "vecmill.infer", "vecmill.preprocess", "vecmill.queue", "vecmill.record", "vecmill.write"}
	linked := map[string]bool{} // records to which a batch is
	for id, b := range batches {
		if traces[fmt.Sprintf("%x", b.TraceId)] != nil || len(b.ParentSpanId) != 0 {
			t.Errorf("the batch %x is in the trace %x of a record", id, b.TraceId)
		}
		for _, l := range b.Links {
			linked[string(l.SpanId)] = true
		}
	}
	if len(traces) != kept || len(batches) == 0 || len(linked) != kept {
		t.Fatalf("%d traces, and %d batches that are linked to %d records; want %d of each", len(traces), len(batches), len(linked), kept)
	}
	for i := range kept {
		spans := map[string]*tracev1.Span{}
		for _, s := range traces[fmt.Sprintf("%032x", 100+i)] {
			if spans[s.Name] != nil {
				t.Errorf("record %d has two of %s", i, s.Name)
			}
			spans[s.Name] = s
		}
		if got := slices.Sorted(maps.Keys(spans)); !slices.Equal(got, steps) {
			t.Errorf("record %d has %q, want %q", i, got, steps)
			continue
		}
		own := spans["vecmill.record"]
		if got, want := fmt.Sprintf("%x", own.ParentSpanId), fmt.Sprintf("%016x", 200+i); got != want || !linked[string(own.SpanId)] {
			t.Errorf("record %d is below %s, want %s, and linked %v", i, got, want, linked[string(own.SpanId)])
		}
		for _, name := range steps {
			s := spans[name]
			if name != "vecmill.record" && string(s.ParentSpanId) != string(own.SpanId) {
				t.Errorf("record %d: %s is below %x", i, name, s.ParentSpanId)
			}
			if s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano < own.StartTimeUnixNano {
				t.Errorf("record %d: %s is from %d to %d", i, name, s.StartTimeUnixNano, s.EndTimeUnixNano)
			}
		}
		if infer := spans["vecmill.infer"]; len(infer.Links) != 1 || batches[string(infer.Links[0].SpanId)] == nil {
			t.Errorf("record %d: its inference is linked to %v", i, infer.Links)
		}
		order := []string{"vecmill.fetch", "vecmill.preprocess", "vecmill.queue", "vecmill.infer", "vecmill.write", "vecmill.commit"}
		for k, name := range order[1:] {
			if spans[name].StartTimeUnixNano < spans[order[k]].StartTimeUnixNano {
				t.Errorf("record %d: %s began before %s", i, name, order[k])
			}
		}
	}
}
