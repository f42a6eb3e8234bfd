package stream

import "sync"

// largeBytes is how much memory one object may leave as garbage before it is collected at once.
const largeBytes = 32 << 20

// giveBack shrinks an item's lease to n bytes; took bounds what was really taken of it in this process. The garbage collector does not know of the budget: it would let as much garbage as
// live data stand, and the next large object would be admitted beside the remains of this one (I4). So what a large object leaves is
// collected, and returned to the system, before its bytes are given back.
func (p *Pipeline) giveBack(it *item, n, took int64) {
	if min(it.lease.Held(), took)-n >= largeBytes {
		p.garbage.collect()
	}
	it.lease.Shrink(n)
}

// collector collects garbage. That takes all of the processors for a while, so those who come while it is at work share the next time, which begins after all of them have come.
type collector struct {
	free func()
	work sync.Mutex // held by the one that collects
	mu   struct {
		sync.Mutex
		next *collection // nil: nobody waits for one to begin
	}
}

// collection is one time.
type collection struct {
	once   sync.Once
	shared int // by so many; guarded by collector.mu
}

// collect returns when what was garbage before the call has been freed.
func (c *collector) collect() {
	c.mu.Lock()
	if c.mu.next == nil {
		c.mu.next = &collection{}
	}
	mine := c.mu.next
	mine.shared++
	c.mu.Unlock()
	mine.once.Do(func() {
		c.work.Lock()
		defer c.work.Unlock()
		c.mu.Lock()
		c.mu.next = nil
		c.mu.Unlock()
		c.free()
	})
}
