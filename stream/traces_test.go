package stream

import (
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"vecmill/schemas"
)

// While commits fail, the traces that wait for one are no more than a number of them; and each commit takes out its own.
func TestTracesThatWaitForACommitAreBounded(t *testing.T) {
	ep := &epoch{p: &Pipeline{cfg: Config{Tracer: noop.NewTracerProvider().Tracer("")}}}
	const each = 1000
	release := func(partition int, next int64) *Release {
		return &Release{Range: schemas.Range{Source: schemas.SourceID{Topic: "refs", Partition: partition}, Span: schemas.Span{Next: next}}, traces: make([]trace.SpanContext, each)}
	}
	waiting := func() (n int) {
		for _, u := range ep.mu.traced {
			n += len(u.traces)
		}
		return n
	}
	for next := range int64(mostTraced) / each * 2 {
		ep.wrote(release(int(next%2), next))
	}
	if n := waiting(); n > mostTraced || n < mostTraced-each {
		t.Fatalf("%d traces wait, at most %d may", n, mostTraced)
	}
	part := func(id int) Partition { return Partition{Topic: "refs", ID: id} }
	ep.committed(map[Partition]int64{part(0): 10})
	if n := waiting(); n != (mostTraced/each-6)*each { // 0, 2, ... 10
		t.Errorf("%d traces wait after a commit", n)
	}
	ep.committed(map[Partition]int64{part(0): 1 << 20, part(1): 1 << 20})
	ep.wrote(release(0, 1<<20+1))
	if n := waiting(); n != each {
		t.Errorf("%d traces wait after all were committed and one was written", n)
	}
}
