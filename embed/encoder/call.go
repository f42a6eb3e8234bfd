package encoder

import (
	"context"
	"errors"
	"sync/atomic"

	"vecmill/embed"
	"vecmill/schemas"
)

// call is one list on its way through the engine. Each input writes its own places, and the last one says that all is over.
type call struct {
	ctx     func() error // of the caller: its Err
	vectors [][]float32
	errs    []error
	open    atomic.Int64
	over    chan struct{} // closed when no input is open
}

func newCall(ctx context.Context, n int) *call {
	c := &call{ctx: ctx.Err, vectors: make([][]float32, n), errs: make([]error, n), over: make(chan struct{})}
	c.open.Store(int64(n))
	if n == 0 {
		close(c.over)
	}
	return c
}

// job is input i for the engine, which owns blob.
func (c *call) job(i int, blob []byte) embed.Job {
	return embed.Job{
		Blob:   blob,
		Wanted: func() bool { return c.ctx() == nil },
		Done: func(rows []schemas.Row, err error) {
			if err == nil {
				c.vectors[i] = rows[0].Vector // one window, one head
			}
			c.errs[i] = err
			if c.open.Add(-1) == 0 {
				close(c.over)
			}
		},
	}
}

// result is what the call gives once it is over.
func (c *call) result() ([][]float32, error) {
	var faults InputErrors
	for i, err := range c.errs {
		switch {
		case err == nil:
		case errors.Is(err, embed.ErrUnwanted): // nobody but ctx makes an input so
			return nil, c.ctx()
		case errors.Is(err, embed.ErrStopped):
			return nil, closed(err)
		default:
			faults = append(faults, InputError{i, err})
		}
	}
	if faults != nil {
		return c.vectors, faults
	}
	return c.vectors, nil
}
