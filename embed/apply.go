package embed

import (
	"fmt"

	"vecmill/schemas"
)

// blank is a result for n samples that has nothing in it yet.
func (e *Engine) blank(n int) *result {
	r := &result{payloads: make([][]schemas.Payload, len(e.heads)), parts: make([][]any, len(e.joiners))}
	for h := range r.payloads {
		r.payloads[h] = make([]schemas.Payload, n)
	}
	for h := range r.parts {
		r.parts[h] = make([]any, n)
	}
	return r
}

// apply runs every head over r's outputs. One item that a head refuses beside others that are well costs no run of the session: its part of the outputs is halved until it is alone, and it
// is rejected. The error is a head's, of what says nothing of the items yet, so they are computed again: outputs that cannot be taken apart, several items that are refused, or all there are.
func (e *Engine) apply(r *result, samples []Sample) error {
	full := e.blank(len(samples))
	r.payloads, r.parts, r.errs = full.payloads, full.parts, make([]error, len(samples))
	each := len(samples) / len(r.outs) // all, or one
	for i := range r.outs {
		if err := e.applyTo(r, i*each, &r.outs[i], samples[i*each:(i+1)*each]); err != nil {
			return err
		}
	}
	return nil
}

// applyTo runs every head over the output of some samples, the first of which has number at among all.
func (e *Engine) applyTo(r *result, at int, out *Output, samples []Sample) error {
	fault := e.applyHeads(r, at, out, samples)
	n := len(samples)
	switch {
	case fault == nil:
		return nil
	case n == 1 && (r.refused || len(r.errs) == 1):
		return judged(fault, out)
	case n == 1:
		r.refused = true
		r.errs[at] = schemas.Reject(schemas.ReasonModel, fault)
		return nil
	}
	e.stats.bisected()
	for _, half := range [][2]int{{0, n / 2}, {n / 2, n}} {
		own, err := out.Part(half[0], half[1], n)
		if err != nil {
			return fault
		}
		if err := e.applyTo(r, at+half[0], own, samples[half[0]:half[1]]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) applyHeads(r *result, at int, out *Output, samples []Sample) error {
	for h := range e.heads {
		if err := e.applyHead(r, h, at, out, samples); err != nil {
			return fmt.Errorf("head %s: %w", e.heads[h].Name(), err)
		}
	}
	return nil
}

func (e *Engine) applyHead(r *result, h, at int, out *Output, samples []Sample) error {
	n := 0
	if e.joiners != nil && e.joiners[h] != nil {
		parts, err := guard(func() ([]any, error) { return e.joiners[h].Parts(out, samples) })
		if err != nil {
			return err
		}
		n = len(parts)
		copy(r.parts[h][at:], parts)
	} else {
		payloads, err := guard(func() ([]schemas.Payload, error) { return e.heads[h].Apply(out, samples) })
		if err != nil {
			return err
		}
		n = len(payloads)
		copy(r.payloads[h][at:], payloads)
	}
	if n != len(samples) {
		return fmt.Errorf("it gave %d results for %d samples", n, len(samples))
	}
	return nil
}
