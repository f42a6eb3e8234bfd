package audio

import (
	"context"
	"sync"
)

// filters keeps the banks of the source rates seen last. Audio comes in a handful of rates; a stream of ever new ones costs
// a design each, never memory.
type filters struct {
	out int
	mu  struct {
		sync.Mutex
		banks []*filter // most recent last
		rates []int
		bytes int                   // of the banks' rows
		under map[int]chan struct{} // rates that somebody designs the bank of; closed when that is over
	}
}

// How many banks are kept, and how many bytes of them, of which the last one may be more. The usual rates' have 0.5 MB at most, those of rates without a divisor 2 MB, and up to 36 MB for the highest rates.
const (
	maxFilters     = 16
	maxFilterBytes = 16 << 20
)

// get finds or designs the bank for a source rate: one caller does, and the others wait for it. The error is ctx's.
func (c *filters) get(ctx context.Context, in int) (*filter, error) {
	for {
		f, over, mine := c.find(in)
		switch {
		case f != nil:
			return f, nil
		case mine:
			f, err := designFilter(ctx, in, c.out) // outside the lock
			c.settle(in, f)
			return f, err
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// find gives the bank; or what is closed when somebody else has designed it, or has given up; or leaves the design to the caller, who must settle it.
func (c *filters) find(in int) (f *filter, over <-chan struct{}, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.mu.rates) - 1; i >= 0; i-- {
		if c.mu.rates[i] == in {
			return c.mu.banks[i], nil, false
		}
	}
	if c.mu.under[in] != nil {
		return nil, c.mu.under[in], false
	}
	if c.mu.under == nil {
		c.mu.under = map[int]chan struct{}{}
	}
	c.mu.under[in] = make(chan struct{})
	return nil, nil, true
}

// settle keeps a bank, nil if its designer gave up, and lets go of the oldest.
func (c *filters) settle(in int, f *filter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.mu.under[in])
	delete(c.mu.under, in)
	if f == nil {
		return
	}
	c.mu.banks, c.mu.rates, c.mu.bytes = append(c.mu.banks, f), append(c.mu.rates, in), c.mu.bytes+4*len(f.rows)
	old := 0
	for ; len(c.mu.banks)-old > maxFilters || c.mu.bytes > maxFilterBytes && len(c.mu.banks)-old > 1; old++ {
		c.mu.bytes -= 4 * len(c.mu.banks[old].rows)
	}
	c.mu.banks, c.mu.rates = append([]*filter(nil), c.mu.banks[old:]...), append([]int(nil), c.mu.rates[old:]...)
}
