package embed

import (
	"context"
	"fmt"

	"vecmill/schemas"
)

// blame says what it means that an item alone fails with cause. A device that is lost, or has no memory left, fails whatever it is given: then nothing is said of the item, and the
// engine stops, since such a device takes batches faster than those that compute them. What tells the two apart is a batch that the sessions are known to compute.
func (e *Engine) blame(ctx context.Context, s Session, cause error) error {
	inputs := <-e.known // who has it puts it back after one run
	var err error
	if inputs != nil {
		_, err = guard(func() (*Output, error) { return s.Run(ctx, inputs) })
	}
	e.known <- inputs
	switch {
	case ctx.Err() != nil:
		return e.ended()
	case err != nil:
		// Neither is wrapped: a panic is a rejection.
		e.fail(fmt.Errorf("%w: it fails in an item with %s, and in a batch that was computed before with %s", ErrBroken, cause.Error(), err.Error()))
		return e.ended()
	}
	return schemas.Reject(schemas.ReasonModel, cause)
}

// remember keeps the inputs of a batch that was computed, for blame, and gives the memory of those before back.
func (e *Engine) remember(inputs []Tensor) {
	select {
	case before := <-e.known:
		e.known <- inputs
		inputs = before
	default: // blame is running them
	}
	for i := range inputs {
		e.floats.Put(inputs[i].F32)
	}
}

// trial is the batch that the sessions are known to compute before they have; nil of none.
func (e *Engine) trial() ([]Tensor, error) {
	if len(e.cfg.Trial) == 0 {
		return nil, nil
	}
	var l *Layout
	if e.cfg.Packing != nil {
		f := filling{packing: e.cfg.Packing}
		for i := range e.cfg.Trial {
			if !f.put(e.cfg.Trial[i].Cost) {
				return nil, fmt.Errorf("sample %d does not fit a batch of %d rows of %d steps", i, e.cfg.Packing.Rows, e.cfg.Packing.Row)
			}
		}
		l = f.layout()
	}
	return e.inputs(e.cfg.Trial, l, &e.floats)
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
