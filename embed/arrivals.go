package embed

import (
	"context"
	"slices"
	"time"
)

// arrival is a window that a worker brings to the batcher. Its fields are under the engine's lock.
type arrival struct {
	w        *window
	admitted bool
	in       chan struct{} // closed once it is admitted; nil if it need not wait
}

// add lets a window wait for a batch, blocking while the sorting window is full. Who came first goes first: a window that others pass keeps all that come behind it in its partition from being
// written, and when these have used up the records that may be in flight, sessions stand still.
func (e *Engine) add(ctx context.Context, w *window) bool {
	p := w.job.Priority
	a := &arrival{w: w}
	e.mu.Lock()
	e.mu.arrivals[p] = append(e.mu.arrivals[p], a)
	e.admitLocked(p)
	if a.admitted {
		e.mu.Unlock()
		return true
	}
	a.in = make(chan struct{})
	e.mu.Unlock()
	select {
	case <-a.in:
		return true
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.arrivals[p] = slices.DeleteFunc(e.mu.arrivals[p], func(b *arrival) bool { return a == b })
	return a.admitted
}

// admitLocked has windows of a priority wait for a batch, in the order of their coming, for as long as there is room to sort them.
func (e *Engine) admitLocked(p Priority) {
	for len(e.mu.arrivals[p]) > 0 && !e.mu.batcher.Full(p) {
		a := e.mu.arrivals[p][0]
		e.mu.arrivals[p] = slices.Delete(e.mu.arrivals[p], 0, 1)
		e.mu.batcher.Add(time.Now(), p, a.w.s.Rows(), a.w.s.Length(), a.w)
		a.admitted = true
		if a.in != nil {
			close(a.in)
		}
		e.call()
	}
}
