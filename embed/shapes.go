package embed

import (
	"fmt"
	"slices"
)

// Shapes are the lengths and numbers of items that batches are padded to, both ascending, so that a session sees few shapes: on a GPU each new one
// has memory asked for, and a convolution, which keeps a plan for the last shape alone, plans anew wherever a batch's differs from that of the batch before. A batch beyond the last keeps its own. The zero value pads to the longest item alone.
//
// Padding changes no result: lengths are padded as they are beside a longer item (I7), and rows that are added, which repeat the batch's last, are cut off what
// comes out.
type Shapes struct {
	Lengths []int // of inputs with a length, in their own elements: samples, tokens
	Items   []int
}

// NewShapes makes lengths from first to last that grow by a quarter, in multiples of step, and numbers of items by powers of two up to most.
func NewShapes(first, last, step, most int) Shapes {
	var s Shapes
	for n := float64(first); n < float64(last); n *= 1.25 {
		if up := (int(n) + step - 1) / step * step; up < last {
			s.Lengths = append(s.Lengths, up)
		}
	}
	s.Lengths = slices.Compact(append(s.Lengths, last))
	for n := 1; n < most; n *= 2 {
		s.Items = append(s.Items, n)
	}
	s.Items = append(s.Items, most)
	return s
}

// Validate names a list that is not ascending.
func (s Shapes) Validate() error {
	for what, list := range map[string][]int{"lengths": s.Lengths, "items": s.Items} {
		for i, n := range list {
			if n < 1 || i > 0 && n <= list[i-1] {
				return fmt.Errorf("%s %v are not ascending from 1 on", what, list)
			}
		}
	}
	return nil
}

// Collate is [Collate] to one of the shapes.
func (s Shapes) Collate(batch []Sample) ([]Tensor, error) { return collate(batch, s, &Floats{}) }

// least is the first of an ascending list that is not below n; n behind its end.
func least(list []int, n int) int {
	i, _ := slices.BinarySearch(list, n)
	if i == len(list) {
		return n
	}
	return list[i]
}

// widen pads the axis of an input that is its length: of a list, or of rows of token ids. Pictures and scalars have none.
func (s Shapes) widen(in *Input, shape []int) {
	switch {
	case len(shape) == 1:
		shape[0] = least(s.Lengths, shape[0])
	case len(shape) == 2 && in.I64 != nil:
		shape[1] = least(s.Lengths, shape[1])
	}
}

// padded is a batch's cost with what it is padded to: as much more as the inputs with a length, or the items, become.
func (s Shapes) padded(cost int, batch []Sample) int {
	longest, wide := 0, 0
	for i := range batch {
		for k := range batch[i].Inputs {
			in := &batch[i].Inputs[k]
			shape := slices.Clone(in.Shape)
			if len(shape) != 1 && (len(shape) != 2 || in.I64 == nil) {
				continue
			}
			own := shape[len(shape)-1]
			s.widen(in, shape)
			longest, wide = max(longest, own), max(wide, shape[len(shape)-1])
		}
	}
	if longest > 0 {
		cost = int(int64(cost) * int64(wide) / int64(longest))
	}
	return cost * least(s.Items, len(batch)) / len(batch)
}

// trim cuts what comes of added rows off every output.
func (s Shapes) trim(out *Output, items int) error {
	rows := least(s.Items, items)
	if rows == items {
		return nil
	}
	own, err := out.Part(0, items, rows)
	if err == nil {
		*out = *own
	}
	return err
}
