package embed

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vecmill/schemas"
)

// BatcherConfig bounds a micro-batch. Costs are in the model's own steps: audio frames, tokens, patches.
type BatcherConfig struct {
	MaxCost  int           // rows x longest row of a batch, as they run (see Shapes); a larger item goes alone
	MaxItems int           // items of a batch
	MaxBytes int64         // that a batch may need by Bytes; an item that needs more goes alone. 0: no bound, as where Bytes are not sound
	Bytes    Costs         // of batches, see Bound
	Window   int           // items that may wait to be sorted into batches
	Linger   time.Duration // how long an item may wait for company while the executor is idle
	MaxAge   time.Duration // an item older than this is in the next batch of its priority, whatever that costs
	Latency  time.Duration // target for live items, from being added to the end of their batch; 0: none. See Next
}

// UsualBatch is what suits a processor's cache and a base-sized model of that modality, whose sessions have so many threads, measured on two cores; see docs/benchmarks.md. A run of one thread has one core's
// cache, and nobody to share its batch with.
func UsualBatch(m schemas.Modality, threads int) BatcherConfig {
	alone := threads == 1
	switch {
	case m == schemas.Audio:
		return BatcherConfig{MaxCost: 400, MaxItems: 8, Window: 64, Linger: 10 * time.Millisecond, MaxAge: 2 * time.Second}
	case m == schemas.Image && alone:
		return BatcherConfig{MaxCost: 400, MaxItems: 2, Window: 8, Linger: 10 * time.Millisecond, MaxAge: 2 * time.Second}
	case m == schemas.Image:
		return BatcherConfig{MaxCost: 1600, MaxItems: 8, Window: 16, Linger: 10 * time.Millisecond, MaxAge: 2 * time.Second}
	case alone:
		return BatcherConfig{MaxCost: 256, MaxItems: 64, Window: 512, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second}
	}
	return BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 512, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second}
}

// Priority orders what waits: while a live item waits batches are of live items, but for every alms-th in a row.
type Priority int

// The priorities.
const (
	Live Priority = iota
	Backfill
	priorities
)

// alms is how many batches in a row backfill waits at most while live items come and come, so that it does not starve: as it waits for slots (stream).
const alms = 16

// Validate names the first setting that makes no sense.
func (c BatcherConfig) Validate() error {
	switch {
	case c.MaxCost < 1:
		return fmt.Errorf("max_cost must be at least 1")
	case c.MaxItems < 1:
		return fmt.Errorf("max_items must be at least 1")
	case c.MaxBytes < 0:
		return fmt.Errorf("max_bytes must not be negative")
	case c.Window < c.MaxItems:
		return fmt.Errorf("window (%d) must be at least max_items (%d)", c.Window, c.MaxItems)
	case c.Linger < 0 || c.MaxAge < c.Linger:
		return fmt.Errorf("linger must not be negative, nor above max_age")
	case c.Latency < 0:
		return fmt.Errorf("latency must not be negative")
	}
	return nil
}

// Batcher forms micro-batches of items that wait, under a cost budget: a batch costs its longest item times its number of items,
// because the shorter are padded, both as large as the shape that it runs as, and that times the most rows of an item, which is one but for choices. Waiting items are kept sorted by rows and length, and a batch is a run of neighbours of one priority. It is a pure
// state machine: it has no goroutine, no clock and no lock.
type Batcher[T any] struct {
	cfg     BatcherConfig
	shapes  Shapes // that batches run as
	costs   Costs
	learnt  bool                    // costs are in seconds
	waiting [priorities][]waiter[T] // by rows, then by length, then by arrival
	steps   int                     // sum of the costs of waiting
	arrived uint64
	passed  int       // batches in a row that went before waiting backfill
	short   bool      // scratch: the next batch is to be no longer than the target of latency allows
	prefix  []float64 // scratch: sums of the predicted times of waiting
	items   []int     // that so many items run as, for all numbers that have waited
}

type waiter[T any] struct {
	v            T
	rows, length int // of the item
	seq          uint64
	added        time.Time
}

func (w *waiter[T]) cost() int { return w.rows * w.length }

// Batch is a run of items to compute together.
type Batch[T any] struct {
	Items        []T             // in the order in which they were taken
	Waited       []time.Duration // of each item
	Cost         int             // sum of the items' costs: useful work
	Rows, Length int             // that it runs as, of all items together
	Padded       int             // their product: work that will be done
	Layout       *Layout         // of a packed batch; nil: a padded one
}

// NewBatcher makes an empty batcher of batches that run as these shapes. Both must be valid. Until it is told otherwise, each batch has a fixed cost of an eighth of the budget.
func NewBatcher[T any](cfg BatcherConfig, shapes Shapes) *Batcher[T] {
	return &Batcher[T]{cfg: cfg, shapes: shapes, costs: Costs{Fixed: float64(cfg.MaxCost) / priorFixed, Step: 1}}
}

// Expect tells what batches take from now on, on the device that takes the next one; known says that it is in seconds. With a target of latency, batches are of one item until it is.
func (b *Batcher[T]) Expect(c Costs, known bool) { b.costs, b.learnt = c, known }

// Len is the number of waiting items.
func (b *Batcher[T]) Len() (n int) {
	for p := range b.waiting {
		n += len(b.waiting[p])
	}
	return n
}

// Steps is the sum of the costs of the waiting items.
func (b *Batcher[T]) Steps() int { return b.steps }

// Full says that the sorting window of a priority is used up: no more of it should be added before the next batch is taken.
func (b *Batcher[T]) Full(p Priority) bool { return len(b.waiting[p]) >= b.cfg.Window }

// Add lets an item of so many rows of one length wait.
func (b *Batcher[T]) Add(now time.Time, p Priority, rows, length int, v T) {
	w := waiter[T]{v: v, rows: max(rows, 1), length: max(length, 1), seq: b.arrived, added: now}
	b.arrived++
	at, _ := slices.BinarySearchFunc(b.waiting[p], w, func(x, y waiter[T]) int {
		return cmp.Or(cmp.Compare(x.rows, y.rows), cmp.Compare(x.length, y.length), cmp.Compare(x.seq, y.seq))
	})
	b.waiting[p] = slices.Insert(b.waiting[p], at, w)
	b.steps += w.cost()
}

// Next takes the best batch, or says how long to wait for one: nil and a duration mean come back after it or on the next Add, nil and 0
// mean come back on the next Add.
//
// The best run is the one whose predicted time is used best: the most of it is its items' own, and not padding or the batch's fixed part. Every item has to be
// computed some time, so what is lost is these two alone, and no length is preferred. An item past MaxAge limits the choice to runs with it. Nothing lingers while another priority waits.
//
// With a target of latency the oldest live item is in the next live batch, and no batch is predicted to take more than half of the target unless it is of one item: a live item waits for the batch that runs when it comes, and
// then has its own. A target that the fixed part alone exceeds makes batches of twice that part. Once the oldest is late, live batches are as full as they can be: only throughput helps then.
func (b *Batcher[T]) Next(now time.Time) (*Batch[T], time.Duration) {
	p, several := b.turn()
	waiting := b.waiting[p]
	if len(waiting) == 0 {
		return nil, 0
	}
	oldest := oldestOf(waiting)
	age := now.Sub(waiting[oldest].added)
	must := -1
	if age >= b.cfg.MaxAge || p == Live && b.cfg.Latency > 0 {
		must = oldest
	}
	b.short = b.cfg.Latency > 0 && (p == Backfill || age < b.cfg.Latency)
	lo, hi, full := b.best(waiting, must)
	if linger := b.linger(); !several && !full && !b.Full(p) && age < linger {
		return nil, linger - age
	}
	b.took(p, several)
	return b.take(now, p, lo, hi), 0
}

// oldestOf is the index of the item that came first.
func oldestOf[T any](waiting []waiter[T]) int {
	oldest := 0
	for i := range waiting {
		if waiting[i].seq < waiting[oldest].seq {
			oldest = i
		}
	}
	return oldest
}

// took counts the batches that have passed others that wait.
func (b *Batcher[T]) took(p Priority, several bool) {
	b.passed++
	if p == Backfill || !several {
		b.passed = 0
	}
}

// turn is the priority whose batch is next, and whether others wait.
func (b *Batcher[T]) turn() (p Priority, several bool) {
	switch {
	case len(b.waiting[Backfill]) == 0:
		return Live, false
	case len(b.waiting[Live]) == 0:
		return Backfill, false
	case b.passed >= alms-1:
		return Backfill, true
	}
	return Live, true
}

func (b *Batcher[T]) linger() time.Duration {
	if b.cfg.Latency > 0 {
		return min(b.cfg.Linger, b.cfg.Latency/4)
	}
	return b.cfg.Linger
}

// most is how many items a batch may have that runs with so many rows of a length for each.
func (b *Batcher[T]) most(rows, length int) int {
	all := b.cfg.MaxCost / length
	if b.cfg.MaxBytes > 0 && b.cfg.Bytes.Sound() {
		all = min(all, b.cfg.Bytes.within(float64(b.cfg.MaxBytes), length))
	}
	if b.short {
		if !b.learnt {
			return 1
		}
		own := b.cfg.Latency.Seconds()/2 - b.costs.Fixed
		if own <= 0 {
			own = b.costs.Fixed // the target cannot be kept; this costs at most half of the throughput
		}
		all = min(all, int(own/b.costs.Item(length)))
	}
	return max(b.shapes.fit(all/rows, b.cfg.MaxItems), 1)
}

// best finds the run [lo, hi) with the highest score among those that hold index must (any, if must is negative). full says that
// the budget, not the lack of items, ended it.
func (b *Batcher[T]) best(waiting []waiter[T], must int) (lo, hi int, full bool) {
	b.prefix = append(b.prefix[:0], 0)
	for i := range waiting {
		b.prefix = append(b.prefix, b.prefix[i]+float64(waiting[i].rows)*b.costs.Item(waiting[i].length))
	}
	for n := len(b.items); n <= len(waiting); n++ {
		b.items = append(b.items, least(b.shapes.Items, n))
	}
	fixed := max(b.costs.Fixed, b.leastFixed())
	best := -1.0
	for j := max(must, 0); j < len(waiting); j++ {
		rows, length := waiting[j].rows, least(b.shapes.Lengths, waiting[j].length) // the last has the most rows, but may not be the longest
		most := b.most(rows, length)
		for from := j; from >= 0; from-- {
			if waiting[from].length > length {
				length = least(b.shapes.Lengths, waiting[from].length)
				most = b.most(rows, length)
			}
			n := j + 1 - from
			if n > most {
				full = full || lo == from+1 && hi == j+1
				break
			}
			if must >= 0 && from > must {
				continue
			}
			score := (b.prefix[j+1] - b.prefix[from]) / (fixed + float64(b.items[n]*rows)*b.costs.Item(length))
			if score > best || score == best && hi == j+1 { // of runs that are as good, the longest
				best, lo, hi, full = score, from, j+1, n == most
			}
		}
	}
	return lo, hi, full
}

// leastFixed is what a batch's fixed part is taken for at least where batches are compared: half of what it is taken for before anything is known. Times on a busy machine often show none at all;
// then nothing would speak against batches of items of one length alone, and there would be three times as many of them. One that is believed twice as large as it is costs a hundredth.
func (b *Batcher[T]) leastFixed() float64 {
	return b.costs.Item(max(b.cfg.MaxCost/priorFixed, 1)) / 2
}

func (b *Batcher[T]) take(now time.Time, p Priority, lo, hi int) *Batch[T] {
	run := b.waiting[p][lo:hi]
	out := &Batch[T]{Items: make([]T, 0, len(run)), Waited: make([]time.Duration, 0, len(run))}
	longest := 0
	for i := range run {
		w := &run[i]
		out.Items = append(out.Items, w.v)
		out.Waited = append(out.Waited, now.Sub(w.added))
		out.Cost += w.cost()
		longest = max(longest, w.length)
	}
	items, length := b.shapes.Round(len(run), longest)
	out.Rows, out.Length = items*run[len(run)-1].rows, length
	out.Padded = out.Rows * out.Length
	b.waiting[p] = slices.Delete(b.waiting[p], lo, hi)
	b.steps -= out.Cost
	return out
}

// Drain takes everything that waits, in no useful order.
func (b *Batcher[T]) Drain() []T {
	var all []T
	for p := range b.waiting {
		for _, w := range b.waiting[p] {
			all = append(all, w.v)
		}
		b.waiting[p] = nil
	}
	b.steps = 0
	return all
}
