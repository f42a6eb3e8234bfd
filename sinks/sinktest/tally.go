package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
)

// tally counts the dones of one source's ranges.
type tally struct {
	t  testing.TB
	mu struct {
		sync.Mutex
		written int     // ranges that Write took
		order   []int64 // first offsets, in the order of their dones
		errs    map[int64]error
		calls   map[int64]int
	}
}

func newTally(t testing.TB) *tally {
	c := &tally{t: t}
	c.mu.errs, c.mu.calls = map[int64]error{}, map[int64]int{}
	return c
}

// write writes Make's range and counts its done.
func (c *tally) write(s sinks.Sink, src schemas.SourceID, first, next int64) {
	c.t.Helper()
	if err := c.try(context.Background(), s, src, first, next); err != nil {
		c.t.Fatalf("writing [%d, %d): %v", first, next, err)
	}
}

func (c *tally) try(ctx context.Context, s sinks.Sink, src schemas.SourceID, first, next int64) error {
	r, rows := Make(src, first, next)
	err := s.Write(ctx, r, rows, func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.order = append(c.mu.order, first)
		c.mu.errs[first] = err
		c.mu.calls[first]++
	})
	if err == nil {
		c.mu.Lock()
		c.mu.written++
		c.mu.Unlock()
	}
	return err
}

// settled checks that every range that was taken was reported exactly once, in order but for those that were forgotten, and gives the errors by first offset. Reports that are on their
// way in another goroutine are waited for.
func (c *tally) settled() map[int64]error {
	c.t.Helper()
	for range 1000 {
		c.mu.Lock()
		all := len(c.mu.calls) >= c.mu.written
		c.mu.Unlock()
		if all {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.calls) != c.mu.written {
		c.t.Fatalf("%d ranges were taken, %d were reported", c.mu.written, len(c.mu.calls))
	}
	last := int64(-1)
	for _, first := range c.mu.order {
		if c.mu.calls[first] != 1 {
			c.t.Fatalf("the range at %d was reported %d times", first, c.mu.calls[first])
		}
		if errors.Is(c.mu.errs[first], sinks.ErrForgotten) {
			continue // Forget tells so at once, while one before it that just became durable may be on its way
		}
		if last >= first {
			c.t.Fatalf("ranges were reported out of order: %v", c.mu.order)
		}
		last = first
	}
	return c.mu.errs
}

// allDurable checks that every range was reported durable.
func (c *tally) allDurable() {
	c.t.Helper()
	for first, err := range c.settled() {
		if err != nil {
			c.t.Fatalf("the range at %d: %v", first, err)
		}
	}
}

func (c *tally) reported() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.order)
}
