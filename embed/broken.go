package embed

import (
	"context"
	"errors"
	"fmt"

	"vecmill/schemas"
)

// runner is a session and a turn to run on it: beside another batch, one that fits the device's memory alone may find none. A session that is given several times has as many turns.
type runner struct {
	session Session
	device  int           // its number
	known   chan []Tensor // cap 1: inputs that it has computed, or is known to; nil: none. Who takes them has the turn, and gives it on by putting them, or others, back
}

// runFault is that a session's run failed, or gave values that are no numbers: another fault of a head, or that of inputs which cannot be made, says nothing of the session.
type runFault struct {
	cause error
	ran   bool // and gave no numbers
}

func (f *runFault) Error() string { return f.cause.Error() }
func (f *runFault) Unwrap() error { return f.cause }

// judged is a head's fault with one item's output.
func judged(fault error, out *Output) error {
	if out.Finite() {
		return fault
	}
	return &runFault{cause: fault, ran: true}
}

// blame says what it means that an item alone fails with cause. A device that is lost, or has no memory left, fails whatever it is given: then nothing is said of the item, and the
// engine stops, since such a device takes batches faster than those that compute them. What tells the two apart is a batch that this session is known to compute; where it gives no numbers, the trial.
func (e *Engine) blame(ctx context.Context, r *runner, cause error) error {
	fault, ok := errors.AsType[*runFault](cause)
	if !ok {
		return schemas.Reject(schemas.ReasonModel, cause)
	}
	known, probe := "a batch that was computed before", r.probe
	if fault.ran {
		known, probe = "the trial", func(ctx context.Context) error { return e.retry(ctx, r) }
	}
	err := probe(ctx)
	switch {
	case ctx.Err() != nil:
		return e.ended()
	case err != nil:
		// Neither is wrapped: a panic is a rejection.
		e.fail(fmt.Errorf("%w: it fails in an item with %s, and twice in %s with %s", ErrBroken, fault.Error(), known, err.Error()))
		return e.ended()
	}
	return schemas.Reject(schemas.ReasonModel, fault.cause)
}

// probe runs what the session is known to compute, in its executor's turn, and once more if that fails: an engine that stops for a fault that passes is dear.
func (r *runner) probe(ctx context.Context) (err error) {
	inputs := <-r.known
	defer func() { r.known <- inputs }()
	if inputs == nil {
		return nil
	}
	return twice(ctx, func() error {
		_, err := guard(func() (*Output, error) { return r.session.Run(ctx, inputs) })
		return err
	})
}

// retry is probe with the trial, which must come out as numbers: a batch that ran may have given none.
func (e *Engine) retry(ctx context.Context, r *runner) error {
	inputs, l, err := e.trial()
	if err != nil || inputs == nil {
		return err
	}
	known := <-r.known
	defer func() { r.known <- known }()
	return twice(ctx, func() error {
		outs, err := e.outputs(ctx, r.session, inputs, e.cfg.Trial, l)
		for i := range outs {
			if err == nil && !outs[i].Finite() {
				err = errNoNumber
			}
		}
		return err
	})
}

// twice calls f again if it fails.
func twice(ctx context.Context, f func() error) error {
	err := f()
	if err != nil && ctx.Err() == nil {
		err = f()
	}
	return err
}

// remember gives the turn on after a run over inputs. If that computed them they are kept for blame, and the memory of those before is given back.
func (e *Engine) remember(r *runner, before, inputs []Tensor, err error) {
	if err != nil {
		r.known <- before
		return
	}
	r.known <- inputs
	for i := range before {
		e.floats.Put(before[i].F32)
	}
}

// trial is the batch that a session is known to compute before it has; nil of none. Each has its own, whose memory is given back when it is forgotten.
func (e *Engine) trial() (inputs []Tensor, l *Layout, err error) {
	if len(e.cfg.Trial) == 0 {
		return nil, nil, nil
	}
	if e.cfg.Packing != nil {
		f := filling{packing: e.cfg.Packing}
		for i := range e.cfg.Trial {
			if !f.put(e.cfg.Trial[i].Cost) {
				return nil, nil, fmt.Errorf("sample %d does not fit a batch of %d rows of %d steps", i, e.cfg.Packing.Rows, e.cfg.Packing.Row)
			}
		}
		l = f.layout()
	}
	inputs, err = e.inputs(e.cfg.Trial, l, &e.floats)
	return inputs, l, err
}

// fail stops the engine because of a fault of its own. The first one is what its jobs are told.
func (e *Engine) fail(fault error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.fault == nil {
		e.mu.fault = fault
		e.mu.halt()
	}
}

// ended is why a job cannot be finished: ErrStopped, with the fault that stopped the engine, if one did.
func (e *Engine) ended() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.endedLocked()
}

func (e *Engine) endedLocked() error {
	if e.mu.fault == nil {
		return ErrStopped
	}
	return fmt.Errorf("%w: %w", ErrStopped, e.mu.fault)
}
