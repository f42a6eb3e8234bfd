package embed

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// BatcherConfig bounds a micro-batch. Costs are in the model's own steps: audio frames, tokens, patches.
type BatcherConfig struct {
	MaxCost  int           // longest item x items of a batch; a longer item goes alone
	MaxItems int           // items of a batch
	Window   int           // items that may wait to be sorted into batches
	Linger   time.Duration // how long an item may wait for company while the executor is idle
	MaxAge   time.Duration // an item older than this is in the next batch, whatever that costs
}

// Validate names the first setting that makes no sense.
func (c BatcherConfig) Validate() error {
	switch {
	case c.MaxCost < 1:
		return fmt.Errorf("max_cost must be at least 1")
	case c.MaxItems < 1:
		return fmt.Errorf("max_items must be at least 1")
	case c.Window < c.MaxItems:
		return fmt.Errorf("window (%d) must be at least max_items (%d)", c.Window, c.MaxItems)
	case c.Linger < 0 || c.MaxAge < c.Linger:
		return fmt.Errorf("linger must not be negative, nor above max_age")
	}
	return nil
}

// Batcher forms micro-batches of items that wait, under a cost budget: a batch costs its longest item times its number of items,
// because the shorter are padded. Waiting items are kept sorted by cost, and a batch is a run of neighbours. It is a pure
// state machine: it has no goroutine, no clock and no lock.
type Batcher[T any] struct {
	cfg     BatcherConfig
	waiting []waiter[T] // by cost, then by arrival
	arrived uint64
	prefix  []int // scratch: sums of the costs of waiting
}

type waiter[T any] struct {
	v     T
	cost  int
	seq   uint64
	added time.Time
}

// Batch is a run of items to compute together.
type Batch[T any] struct {
	Items  []T
	Waited []time.Duration // of each item
	Cost   int             // sum of the items' costs: useful work
	Padded int             // longest x items: work that will be done
	Layout *Layout         // of a packed batch; nil: a padded one
}

// NewBatcher makes an empty batcher. The configuration must be valid.
func NewBatcher[T any](cfg BatcherConfig) *Batcher[T] { return &Batcher[T]{cfg: cfg} }

// Len is the number of waiting items; Full says that no more should be added before the next batch is taken.
func (b *Batcher[T]) Len() int { return len(b.waiting) }

// Full says that the sorting window is used up.
func (b *Batcher[T]) Full() bool { return len(b.waiting) >= b.cfg.Window }

// Add lets an item wait.
func (b *Batcher[T]) Add(now time.Time, cost int, v T) {
	w := waiter[T]{v: v, cost: max(cost, 1), seq: b.arrived, added: now}
	b.arrived++
	at, _ := slices.BinarySearchFunc(b.waiting, w, func(x, y waiter[T]) int {
		return cmp.Or(cmp.Compare(x.cost, y.cost), cmp.Compare(x.seq, y.seq))
	})
	b.waiting = slices.Insert(b.waiting, at, w)
}

// Next takes the best batch, or says how long to wait for one: nil and a duration mean come back after it or on the next Add, nil and 0
// mean come back on the next Add.
//
// The best run is the one with the most useful cost per padded cost, where each batch also carries a fixed cost of an eighth
// of the budget, so that full batches win over small tight ones. An item past MaxAge limits the choice to runs with it.
func (b *Batcher[T]) Next(now time.Time) (*Batch[T], time.Duration) {
	if len(b.waiting) == 0 {
		return nil, 0
	}
	oldest := 0
	for i := range b.waiting {
		if b.waiting[i].seq < b.waiting[oldest].seq {
			oldest = i
		}
	}
	age := now.Sub(b.waiting[oldest].added)
	must := -1
	if age >= b.cfg.MaxAge {
		must = oldest
	}
	lo, hi, full := b.best(must)
	if !full && !b.Full() && age < b.cfg.Linger {
		return nil, b.cfg.Linger - age
	}
	return b.take(now, lo, hi), 0
}

// best finds the run [lo, hi) with the highest score among those that hold index must (any, if must is negative). full says that
// the budget, not the lack of items, ended it.
func (b *Batcher[T]) best(must int) (lo, hi int, full bool) {
	b.prefix = append(b.prefix[:0], 0)
	for i := range b.waiting {
		b.prefix = append(b.prefix, b.prefix[i]+b.waiting[i].cost)
	}
	overhead := float64(b.cfg.MaxCost) / 8
	best := -1.0
	for j := max(must, 0); j < len(b.waiting); j++ {
		longest := b.waiting[j].cost
		most := min(b.cfg.MaxItems, max(b.cfg.MaxCost/longest, 1))
		last := j // the run may begin no later than this
		if must >= 0 {
			last = must
		}
		for from := max(j+1-most, 0); from <= last; from++ {
			useful := b.prefix[j+1] - b.prefix[from]
			score := float64(useful) / (float64(longest*(j+1-from)) + overhead)
			if score > best {
				best, lo, hi, full = score, from, j+1, j+1-from == most
			}
		}
	}
	return lo, hi, full
}

func (b *Batcher[T]) take(now time.Time, lo, hi int) *Batch[T] {
	run := b.waiting[lo:hi]
	out := &Batch[T]{Items: make([]T, 0, len(run)), Waited: make([]time.Duration, 0, len(run))}
	for _, w := range run {
		out.Items = append(out.Items, w.v)
		out.Waited = append(out.Waited, now.Sub(w.added))
		out.Cost += w.cost
	}
	out.Padded = run[len(run)-1].cost * len(run)
	b.waiting = slices.Delete(b.waiting, lo, hi)
	return out
}

// Drain takes everything that waits, in no useful order.
func (b *Batcher[T]) Drain() []T {
	var all []T
	for _, w := range b.waiting {
		all = append(all, w.v)
	}
	b.waiting = nil
	return all
}
