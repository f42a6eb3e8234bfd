package embed

import (
	"slices"
	"time"
)

// Packer forms packed batches of items that wait. It is a [Batcher] that fills rows in place of cutting runs: the oldest item is in every batch, so that
// none waits for ever, and the others follow from the longest on, each into the first row that has room for it.
type Packer[T any] struct {
	*Batcher[T]
	packing *Packing
}

// NewPacker makes an empty packer. Of the configuration, which must be valid, MaxCost does not count: the packing bounds a batch.
func NewPacker[T any](cfg BatcherConfig, p *Packing) *Packer[T] {
	return &Packer[T]{NewBatcher[T](cfg, Shapes{}), p}
}

// Add lets an item wait, whose rows lie one behind the other.
func (p *Packer[T]) Add(now time.Time, turn Priority, rows, length int, v T) {
	p.Batcher.Add(now, turn, 1, rows*length, v)
}

// Next takes a batch, or says how long to wait for one, as [Batcher.Next] does. Items of a batch have one priority.
func (p *Packer[T]) Next(now time.Time) (*Batch[T], time.Duration) {
	turn, several := p.turn()
	waiting := p.waiting[turn]
	if len(waiting) == 0 {
		return nil, 0
	}
	oldest := oldestOf(waiting)
	picked, layout := p.fill(waiting, oldest)
	full := len(picked) < len(waiting) || len(picked) == p.cfg.MaxItems || p.Full(turn)
	if age := now.Sub(waiting[oldest].added); !several && !full && age < p.linger() {
		return nil, p.linger() - age
	}
	p.took(turn, several)
	return p.take(now, turn, picked, layout), 0
}

// fill picks items for a batch, by index, in the order of their rows, of which the oldest is in the first.
func (p *Packer[T]) fill(waiting []waiter[T], oldest int) (picked []int, l *Layout) {
	f := filling{packing: p.packing}
	f.put(waiting[oldest].length) // the first always has a place
	picked = append(picked, oldest)
	for i := len(waiting) - 1; i >= 0 && len(picked) < p.cfg.MaxItems; i-- {
		if i != oldest && f.put(waiting[i].length) {
			picked = append(picked, i)
		}
	}
	order := make([]int, len(picked))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return f.places[i].row - f.places[j].row })
	picked, f.places = permuted(picked, order), permuted(f.places, order)
	return picked, f.layout()
}

// permuted is x in another order.
func permuted[T any](x []T, order []int) []T {
	out := make([]T, len(x))
	for i, at := range order {
		out[i] = x[at]
	}
	return out
}

func (p *Packer[T]) take(now time.Time, turn Priority, picked []int, l *Layout) *Batch[T] {
	waiting := p.waiting[turn]
	out := &Batch[T]{Layout: l, Rows: l.Rows, Length: l.Length, Padded: l.Steps()}
	gone := make([]bool, len(waiting))
	for _, i := range picked {
		w := &waiting[i]
		out.Items = append(out.Items, w.v)
		out.Waited = append(out.Waited, now.Sub(w.added))
		out.Cost += w.length
		gone[i] = true
	}
	kept := waiting[:0]
	for i, w := range waiting {
		if !gone[i] {
			kept = append(kept, w)
		}
	}
	clear(waiting[len(kept):]) // or the items that went would not be collected
	p.waiting[turn] = kept
	p.steps -= out.Cost
	return out
}
