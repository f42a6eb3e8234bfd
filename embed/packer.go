package embed

import (
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
	return &Packer[T]{NewBatcher[T](cfg), p}
}

// Next takes a batch, or says how long to wait for one, as [Batcher.Next] does.
func (p *Packer[T]) Next(now time.Time) (*Batch[T], time.Duration) {
	if len(p.waiting) == 0 {
		return nil, 0
	}
	oldest := 0
	for i := range p.waiting {
		if p.waiting[i].seq < p.waiting[oldest].seq {
			oldest = i
		}
	}
	picked, layout := p.fill(oldest)
	left := len(p.waiting) - len(picked)
	if age := now.Sub(p.waiting[oldest].added); left == 0 && len(picked) < p.cfg.MaxItems && !p.Full() && age < p.cfg.Linger {
		return nil, p.cfg.Linger - age
	}
	return p.take(now, picked, layout), 0
}

// fill picks items for a batch, by index.
func (p *Packer[T]) fill(oldest int) (picked []int, l *Layout) {
	f := filling{packing: p.packing}
	f.put(p.waiting[oldest].cost) // the first always has a place
	picked = append(picked, oldest)
	for i := len(p.waiting) - 1; i >= 0 && len(picked) < p.cfg.MaxItems; i-- {
		if i != oldest && f.put(p.waiting[i].cost) {
			picked = append(picked, i)
		}
	}
	return picked, f.layout()
}

func (p *Packer[T]) take(now time.Time, picked []int, l *Layout) *Batch[T] {
	out := &Batch[T]{Layout: l, Padded: l.Steps()}
	gone := make([]bool, len(p.waiting))
	for _, i := range picked {
		w := &p.waiting[i]
		out.Items = append(out.Items, w.v)
		out.Waited = append(out.Waited, now.Sub(w.added))
		out.Cost += w.cost
		gone[i] = true
	}
	kept := p.waiting[:0]
	for i, w := range p.waiting {
		if !gone[i] {
			kept = append(kept, w)
		}
	}
	clear(p.waiting[len(kept):]) // or the items that went would not be collected
	p.waiting = kept
	return out
}
