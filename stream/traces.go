package stream

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// recordSpan begins the span of a record, or of one of its references, below that of the record's producer.
func (p *Pipeline) recordSpan(f *flight, from time.Time, more ...attribute.KeyValue) (context.Context, trace.Span) {
	return p.cfg.Tracer.Start(parent(f.epoch.ctx, f.rec.Headers), "vecmill.record", trace.WithTimestamp(from), trace.WithAttributes(append(more,
		attribute.String("pipeline", p.cfg.Name), attribute.String("partition", f.part.String()), attribute.Int64("offset", f.rec.Offset))...))
}

// failed tells a span what went wrong. The event alone is no failure to whoever looks for those.
func failed(s trace.Span, err error) {
	s.RecordError(err)
	s.SetStatus(codes.Error, err.Error())
}

// refuse rejects a record before anything of it was sent off.
func (p *Pipeline) refuse(f *flight, err error) {
	_, span := p.recordSpan(f, time.Now())
	failed(span, err)
	span.End()
	f.refused = span.SpanContext()
	p.reject(f, err)
}

// span adds a stretch of time to a record's trace.
func (p *Pipeline) span(of trace.SpanContext, name string, from, to time.Time) {
	_, s := p.cfg.Tracer.Start(trace.ContextWithSpanContext(context.Background(), of), name, trace.WithTimestamp(from))
	s.End(trace.WithTimestamp(to))
}

// traces are those of a record's references that somebody keeps, or of the record if it was refused.
func (f *flight) traces() (all []trace.SpanContext) {
	if f.refused.IsSampled() {
		return []trace.SpanContext{f.refused}
	}
	for _, it := range f.items {
		if it.span == nil {
			continue // of a record that was refused
		}
		if c := it.span.SpanContext(); c.IsSampled() {
			all = append(all, c)
		}
	}
	return all
}

// took tells how long a record took to have its rows.
func (p *Pipeline) took(f *flight) {
	if p.cfg.Took == nil {
		return
	}
	ctx := context.Background()
	if kept := f.ticket.traces; len(kept) > 0 {
		ctx = trace.ContextWithSpanContext(ctx, kept[0])
	}
	p.cfg.Took(ctx, time.Since(f.began))
}

// uncommitted is a release that is durable, and whose traces wait for its commit.
type uncommitted struct {
	part   Partition
	next   int64
	since  time.Time
	traces []trace.SpanContext
}

// mostTraced is how many traces may wait for commits. Where commits fail for long, those of later records are told nothing of theirs.
const mostTraced = 1 << 16

// wrote tells a release's traces how long the sink took, and remembers them for its commit.
func (ep *epoch) wrote(r *Release) {
	if len(r.traces) == 0 {
		return
	}
	now := time.Now()
	for _, t := range r.traces {
		ep.p.span(t, "vecmill.write", r.began, now)
	}
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if ep.mu.waiting+len(r.traces) > mostTraced {
		return
	}
	ep.mu.waiting += len(r.traces)
	ep.mu.traced = append(ep.mu.traced, uncommitted{Partition{r.Range.Source.Topic, r.Range.Source.Partition}, r.Range.Next, now, r.traces})
}

// committed tells the traces that points have passed.
func (ep *epoch) committed(points map[Partition]int64) {
	now := time.Now()
	for _, u := range ep.passed(points) {
		for _, t := range u.traces {
			ep.p.span(t, "vecmill.commit", u.since, now)
		}
	}
}

// passed takes out the releases that points have passed.
func (ep *epoch) passed(points map[Partition]int64) (gone []uncommitted) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.mu.traced = slices.DeleteFunc(ep.mu.traced, func(u uncommitted) bool {
		if u.next > points[u.part] {
			return false
		}
		ep.mu.waiting -= len(u.traces)
		gone = append(gone, u)
		return true
	})
	return gone
}
