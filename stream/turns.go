package stream

import (
	"context"
	"slices"
	"sync"

	"vecmill/internal/waiting"
)

// turns share the slots out among the partitions of an assignment: half of them belong to the partitions, to each as many, and half to whoever
// comes first. Finished records wait for the slow one before them and hold their slots: without turns one slow record would take all of them, and the
// other partitions would stand still with it.
//
// With an order of precedence among topics, the half of the partitions belongs to those of the first topics alone, and the common half goes to whoever waits
// with the highest precedence: what comes behind lives on what the first leave. Every 16th common slot goes to the one of these that has waited longest, so that
// nobody starves.
type turns struct {
	own    map[Partition]chan struct{} // cap: the partition's own slots
	rank   map[Partition]int           // precedence: 0 is the highest
	common commons
}

func newTurns(slots int, parts []Partition, precedence []string) *turns {
	t := &turns{own: map[Partition]chan struct{}{}, rank: map[Partition]int{}}
	first := len(precedence)
	for _, p := range parts {
		t.rank[p] = len(precedence)
		if i := slices.Index(precedence, p.Topic); i >= 0 {
			t.rank[p] = i
		}
		first = min(first, t.rank[p])
	}
	var owners []Partition
	for _, p := range parts {
		if t.rank[p] == first {
			owners = append(owners, p)
		}
	}
	each := slots / (2 * max(len(owners), 1))
	for _, p := range owners {
		t.own[p] = make(chan struct{}, each)
	}
	t.common.free = slots - each*len(owners)
	return t
}

// take waits for a turn of p, its own first, and gives what returns it.
func (t *turns) take(ctx, over context.Context, p Partition) (func(), error) {
	own := t.own[p] // nil, and so never ready, for a partition that has none
	back := func() { <-own }
	select {
	case own <- struct{}{}:
		return back, nil
	default:
	}
	w := t.common.ask(t.rank[p])
	select {
	case own <- struct{}{}:
		t.common.leave(w)
		return back, nil
	case <-w.Granted():
		return t.common.back, nil
	case <-ctx.Done():
		t.common.leave(w)
		return nil, ctx.Err()
	case <-over.Done():
		t.common.leave(w)
		return nil, context.Canceled
	}
}

// commons are slots that go by precedence, and among equals by time.
type commons struct {
	mu   sync.Mutex
	free int
	line waiting.Line
}

func (c *commons) ask(rank int) *waiting.Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.line.Enter(rank)
	c.giveLocked()
	return w
}

// leave takes a request back; a slot that it has got meanwhile goes to the next.
func (c *commons) leave(w *waiting.Place) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.line.Leave(w) {
		c.free++
		c.giveLocked()
	}
}

func (c *commons) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free++
	c.giveLocked()
}

func (c *commons) giveLocked() {
	for _, waits := c.line.First(); waits && c.free > 0; _, waits = c.line.First() {
		c.line.Grant()
		c.free--
	}
}
