package embed

import (
	"fmt"
	"slices"

	"vecmill/model"
)

// Shapes are the lengths and numbers of items that batches are padded to, both ascending, so that a session sees few shapes: on a GPU each new one
// has memory asked for, and a convolution, which keeps a plan for the last shape alone, plans anew wherever a batch's differs from that of the batch before. A batch beyond the last keeps its own. The zero value pads to the longest item alone.
//
// Padding changes no result: lengths are padded as they are beside a longer item (I7), and rows that are added, which repeat the batch's last, are cut off what
// comes out.
type Shapes struct {
	Lengths []int               // in the model's steps, as costs of samples are: frames, tokens
	Items   []int               // numbers of samples
	Values  func(steps int) int // the most values of an input that make so many steps, so that what has more of them has more steps, too; nil: each value is one
}

// Usual lengths begin here and are multiples of this: a second and a tenth of one, where a frame is 20 ms, and tokens.
const (
	leastFrames, frameStep = 50, 5
	leastTokens, tokenStep = 16, 8
)

// UsualShapes are the shapes for a checkpoint whose objects have at most so many samples or tokens, and its batches most items. Of pictures, which have one size, the number alone is fixed.
func UsualShapes(spec *model.Spec, longest, most int) Shapes {
	switch {
	case spec.Audio != nil:
		last := max(spec.Audio.Frames(longest), 1)
		s := NewShapes(min(leastFrames, last), last, frameStep, most)
		s.Values = spec.Audio.MostSamples
		return s
	case spec.Text != nil:
		return NewShapes(min(leastTokens, longest), longest, tokenStep, most)
	}
	return Shapes{Items: NewShapes(1, 1, 1, most).Items}
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

// Round is the shape that a batch of so many items runs as, the longest of so many steps.
func (s Shapes) Round(items, longest int) (rows, length int) {
	return least(s.Items, items), least(s.Lengths, longest)
}

// fit is how many items, of most, run as no more than so many rows; 0 if one alone runs as more.
func (s Shapes) fit(rows, most int) int {
	if i, ok := slices.BinarySearch(s.Items, rows); !ok && i < len(s.Items) {
		rows = 0
		if i > 0 {
			rows = s.Items[i-1]
		}
	}
	return min(rows, most)
}

// Fit is how many items like one make a batch within a budget of cost and of items, as padded as it will be. An item that exceeds it alone goes alone.
func (s Shapes) Fit(one *Sample, cost, items int) int {
	return max(s.fit(cost/least(s.Lengths, max(one.Length(), 1))/one.Rows(), items), 1)
}

// widen pads the axis of an input that is its length: of a list, or of rows of token ids. Pictures and scalars have none.
func (s Shapes) widen(in *Input, shape []int) {
	if last := len(shape) - 1; last == 0 || last == 1 && in.I64 != nil {
		shape[last] = s.wide(shape[last])
	}
}

// wide is how many values an input of n of them is padded to.
func (s Shapes) wide(n int) int {
	for _, steps := range s.Lengths {
		if s.Values != nil {
			steps = s.Values(steps)
		}
		if steps >= n {
			return steps
		}
	}
	return n
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
