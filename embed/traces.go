package embed

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// span adds a stretch of time to a job's trace, if somebody keeps that.
func (e *Engine) span(j *job, name string, from, to time.Time, options ...trace.SpanStartOption) {
	if !j.Trace.IsSampled() {
		return
	}
	ctx := trace.ContextWithSpanContext(context.Background(), j.Trace)
	_, s := e.cfg.Tracer.Start(ctx, name, append(options, trace.WithTimestamp(from))...)
	s.End(trace.WithTimestamp(to))
}

// batchSpan begins the span of a batch, which is linked once to each of the records in it whose traces are kept; without one there is nothing to tell.
func (e *Engine) batchSpan(ctx context.Context, w *work) (context.Context, trace.Span) {
	var links []trace.Link
	linked := map[trace.SpanID]bool{}
	for _, win := range w.batch.Items {
		if of := win.job.Trace; of.IsSampled() && !linked[of.SpanID()] {
			linked[of.SpanID()] = true
			links = append(links, trace.Link{SpanContext: win.job.Trace})
		}
	}
	if links == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	return e.cfg.Tracer.Start(ctx, "vecmill.batch", trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("model", e.cfg.Model), attribute.Int("items", len(w.samples)),
		attribute.Int("cost", w.batch.Cost), attribute.Int("padded", w.batch.Padded)))
}

// itemSpans tell each record of a batch how long it waited for it, and how long the session took, with a link to the batch.
func (e *Engine) itemSpans(w *work, batch trace.Span, began time.Time, took time.Duration) {
	link := trace.WithLinks(trace.Link{SpanContext: batch.SpanContext()})
	for _, win := range w.batch.Items {
		e.span(win.job, "vecmill.queue", win.queued, began)
		e.span(win.job, "vecmill.infer", began, began.Add(took), link)
	}
}
