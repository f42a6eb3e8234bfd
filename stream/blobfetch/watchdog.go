package blobfetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Tries that took too long.
var (
	ErrStalled = errors.New("no progress")
	ErrSlow    = errors.New("the body took too long")
)

var errCut = errors.New("the body was cut off")

// watchdog cancels an attempt that makes no progress.
type watchdog struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	overall *time.Timer // nil until the body is being read
	timeout time.Duration
}

func watch(ctx context.Context, timeout time.Duration) *watchdog {
	w := &watchdog{timeout: timeout}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(timeout, func() { w.cancel(fmt.Errorf("%w for %v", ErrStalled, timeout)) })
	return w
}

// pause stops the clock until limit.
func (w *watchdog) pause() { w.timer.Stop() }

// limit starts the clock again, and the one for the whole body.
func (w *watchdog) limit(d time.Duration) {
	w.progress()
	w.overall = time.AfterFunc(d, func() { w.cancel(fmt.Errorf("%w: more than %v", ErrSlow, d)) })
}

func (w *watchdog) progress() { w.timer.Reset(w.timeout) }

func (w *watchdog) stop() {
	w.timer.Stop()
	if w.overall != nil {
		w.overall.Stop()
	}
	w.cancel(nil)
}

// explain replaces the cancellation that the watchdog caused by its reason.
func (w *watchdog) explain(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, ErrStalled) || errors.Is(cause, ErrSlow) {
		if fault, ok := errors.AsType[*StoreFault](err); ok {
			return &StoreFault{fmt.Errorf("%w (%w)", cause, fault.Err)}
		}
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// progress tells the watchdog of every byte, and a body that is cut off from one that ends: io.ReadFull has one error for both, and of an object of unknown length nothing else tells.
type progress struct {
	r io.Reader
	w *watchdog
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.w.progress()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCut
	}
	return n, err
}
