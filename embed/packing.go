package embed

import (
	"fmt"
	"slices"

	"vecmill/model"
)

// Packing is the geometry of packed batches: items lie one behind the other in a few rows of one length, so that shapes come from a small fixed set and
// next to nothing is padding. The graph must be one of packed rows (model.CompileOptions.Packed); there an item sees its own steps only.
type Packing struct {
	Row   int // steps of a row
	Rows  int // most rows of a batch
	Items int // places for what the model gives once for an item; more where a batch needs more

	Gap        int   // steps between neighbours of a row
	Hop, Reach int   // audio: samples from one step to the next, and samples that one step is made of
	Pad        int64 // text: id of padding, from which positions count
}

// NewPacking is the packing for a checkpoint, of batches of at most cost steps in rows of row steps and of about so many items.
func NewPacking(spec *model.Spec, row, cost, items int) (*Packing, error) {
	if row < 1 || cost < row || items < 1 {
		return nil, fmt.Errorf("packing rows of %d steps in batches of %d, for %d items: a batch must hold a row, and a row something", row, cost, items)
	}
	p := &Packing{Row: row, Rows: cost / row, Items: items}
	switch {
	case spec.Text != nil:
		p.Pad = int64(spec.Text.PadTokenID)
	case spec.Audio != nil:
		p.Hop, p.Reach = spec.Audio.HopSamples(), spec.Audio.ReachSamples()
		// Zeros on both sides of a clip, as many as the positional convolutions look across, stand for the padding that it has alone. No frame of a clip
		// may be made of another's samples.
		p.Gap = max(spec.Audio.ConvPosKernelSize/2, (p.Reach-1)/p.Hop)
	default:
		return nil, fmt.Errorf("packing %s: pictures have a constant shape without it", spec.Class)
	}
	return p, nil
}

// UsualRow is a row that holds the longest texts of most checkpoints, or half a minute of audio.
func UsualRow(spec *model.Spec) int {
	if spec.Audio != nil {
		return 1500
	}
	return 512
}

// Layout says where the items of a packed batch lie.
type Layout struct {
	Rows, Length int      // rows of the batch, and the length of each in the model's steps (audio frames, tokens), gaps and what is left free included
	places       []origin // of each item; those of a Packer by row, then by where they begin
}

// origin is where an item begins.
type origin struct{ row, at int }

// Steps is the work of the batch, padding included.
func (l *Layout) Steps() int { return l.Rows * l.Length }

// part is a layout of the items [from, to) of l, which lie in the order of their rows: each where it lies, but that the rows before the first and behind the last are
// left out and, of a single row, what is before the first. It is of the fixed set, too. nil has none.
func (p *Packing) part(l *Layout, samples []Sample, from, to int) *Layout {
	if l == nil {
		return nil
	}
	first, last := l.places[from], l.places[to-1]
	if first.row != last.row {
		first.at = 0
	}
	f := filling{packing: p, ends: make([]int, last.row-first.row+1)}
	for i := from; i < to; i++ {
		place := origin{l.places[i].row - first.row, l.places[i].at - first.at}
		f.places = append(f.places, place)
		f.tallest = max(f.tallest, place.at+samples[i].Cost)
	}
	return f.layout()
}

// middle is where a batch is halved: between two rows or, in a single one, between the items beside its middle. Without a layout it is between as many items. There are
// two items at least.
func (l *Layout) middle(n int) int {
	if l == nil {
		return n / 2
	}
	last := l.places[n-1]
	half := origin{row: (last.row + 1) / 2}
	if last.row == 0 {
		half.at = (last.at + 1) / 2
	}
	at := slices.IndexFunc(l.places, func(o origin) bool { return o.row > half.row || o.row == half.row && o.at >= half.at })
	return max(at, 1)
}

// filling is a layout that grows.
type filling struct {
	packing *Packing
	ends    []int // of each row: where the next item may begin
	places  []origin
	tallest int // the longest row without the gap behind it
}

// put finds a place for an item in the first row that has one, and opens a row if none has. An item that is longer than a row goes into an empty layout,
// alone.
func (f *filling) put(cost int) bool {
	p := f.packing
	if cost > p.Row && len(f.places) > 0 || f.tallest > p.Row {
		return false
	}
	row := 0
	for row < len(f.ends) && f.ends[row]+cost > p.Row {
		row++
	}
	if row == len(f.ends) {
		if row == p.Rows {
			return false
		}
		f.ends = append(f.ends, 0)
	}
	at := f.ends[row]
	f.places = append(f.places, origin{row, at})
	f.ends[row] = at + cost + p.Gap
	f.tallest = max(f.tallest, at+cost)
	return true
}

// layout gives the items a shape of the fixed set: 1, 2, 4, ... rows up to the most; a single row may have an eighth, a quarter or half of the length; and
// an item that is longer than a row has a multiple of it.
func (f *filling) layout() *Layout {
	p := f.packing
	l := &Layout{Rows: 1, Length: p.Row, places: f.places}
	for l.Rows < len(f.ends) {
		l.Rows = min(2*l.Rows, p.Rows)
	}
	switch {
	case f.tallest > p.Row:
		l.Length = (f.tallest + p.Row - 1) / p.Row * p.Row
	case l.Rows == 1:
		for _, part := range []int{8, 4, 2} {
			if n := (p.Row + part - 1) / part; f.tallest <= n {
				l.Length = n
				break
			}
		}
	}
	return l
}
