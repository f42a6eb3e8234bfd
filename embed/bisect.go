package embed

import (
	"context"
	"time"
)

// bisect finds the poison in a batch whose run failed with cause: it halves until the failing items are alone. One bad item of n costs
// about 2 log2(n) runs, which together take as long as two of the batch, since a half has half of its rows. An item that fails alone is rejected, unless it is the
// session that fails; if the engine is stopping, everything is handed back as stopped.
func (e *Engine) bisect(ctx context.Context, s *runner, samples []Sample, l *Layout, cause error) *result {
	n := len(samples)
	r := e.blank(n)
	r.errs = make([]error, n)
	if ctx.Err() != nil {
		for i := range r.errs {
			r.errs[i] = e.ended()
		}
		return r
	}
	if n == 1 {
		r.errs[0] = e.blame(ctx, s, cause)
		return r
	}
	e.stats.bisected()
	middle := l.middle(n)
	for _, cut := range [][2]int{{0, middle}, {middle, n}} {
		part, lie := samples[cut[0]:cut[1]], e.cfg.Packing.part(l, samples, cut[0], cut[1])
		sub, err := e.compute(ctx, s, part, lie)
		if err != nil {
			sub = e.bisect(ctx, s, part, lie, err)
		}
		r.infer += sub.infer
		copy(r.errs[cut[0]:], sub.errs)
		for h := range r.payloads {
			copy(r.payloads[h][cut[0]:], sub.payloads[h])
		}
		for h := range r.parts {
			copy(r.parts[h][cut[0]:], sub.parts[h])
		}
	}
	return r
}

// compute is the whole of an executor's work on some samples, in one go.
func (e *Engine) compute(ctx context.Context, s *runner, samples []Sample, l *Layout) (*result, error) {
	inputs, err := e.inputs(samples, l, &e.floats)
	if err != nil {
		return nil, err
	}
	before := <-s.known
	began := time.Now()
	outs, err := e.outputs(ctx, s.session, inputs, samples, l)
	took := time.Since(began)
	e.remember(s, before, inputs, err)
	e.stats.inferred(took)
	if err != nil {
		return nil, err
	}
	r := &result{outs: outs, infer: took}
	return r, e.apply(r, samples)
}
