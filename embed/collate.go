package embed

import (
	"fmt"
	"slices"
)

// Collate stacks the samples' inputs into one tensor per input, with the batch as first axis. Inputs that differ in
// their first dimension are padded behind their own values to the longest; rows of token ids, in their second as well. Samples must agree in their inputs'
// names, order and remaining dimensions; that is a property of their preprocessor, so a difference is an error of ours.
func Collate(batch []Sample) ([]Tensor, error) { return Shapes{}.Collate(batch) }

// collate is Collate to one of the shapes, into memory of floats.
func collate(batch []Sample, shapes Shapes, floats *Floats) ([]Tensor, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("collating an empty batch")
	}
	first := batch[0].Inputs
	out := make([]Tensor, len(first))
	for k := range first {
		t, err := stack(batch, k, shapes, floats)
		if err != nil {
			return nil, fmt.Errorf("collating input %s: %w", first[k].Name, err)
		}
		out[k] = t
	}
	return out, nil
}

func stack(batch []Sample, k int, shapes Shapes, floats *Floats) (Tensor, error) {
	proto := &batch[0].Inputs[k]
	largest := slices.Clone(proto.Shape)
	for i := range batch {
		if k >= len(batch[i].Inputs) {
			return Tensor{}, fmt.Errorf("sample %d has only %d inputs", i, len(batch[i].Inputs))
		}
		in := &batch[i].Inputs[k]
		if err := agrees(in, proto); err != nil {
			return Tensor{}, fmt.Errorf("sample %d: %w", i, err)
		}
		for d, n := range in.Shape {
			largest[d] = max(largest[d], n)
		}
	}
	shapes.widen(proto, largest)
	rows := least(shapes.Items, len(batch))
	t := Tensor{Name: proto.Name, Shape: []int64{int64(rows)}}
	size := 1
	for _, d := range largest {
		size *= d
		t.Shape = append(t.Shape, int64(d))
	}
	if proto.F32 != nil {
		t.F32 = floats.Get(rows * size)
		for i := range rows {
			in := &batch[min(i, len(batch)-1)].Inputs[k]
			place(t.F32[i*size:(i+1)*size], largest, in.F32, in.Shape, float32(in.Pad))
		}
	} else {
		t.I64 = make([]int64, rows*size)
		for i := range rows {
			in := &batch[min(i, len(batch)-1)].Inputs[k]
			place(t.I64[i*size:(i+1)*size], largest, in.I64, in.Shape, int64(in.Pad))
		}
	}
	return t, nil
}

func agrees(in, proto *Input) error {
	switch {
	case in.Name != proto.Name:
		return fmt.Errorf("input is %s", in.Name)
	case (in.F32 != nil) != (proto.F32 != nil):
		return fmt.Errorf("element types differ")
	case len(in.Shape) != len(proto.Shape):
		return fmt.Errorf("rank %d, want %d", len(in.Shape), len(proto.Shape))
	}
	n, ragged := 1, len(in.Shape) == 2 && in.I64 != nil
	for d := range in.Shape {
		n *= in.Shape[d]
		if d > 0 && in.Shape[d] != proto.Shape[d] && !ragged {
			return fmt.Errorf("shape %v does not fit %v", in.Shape, proto.Shape)
		}
	}
	if n != len(in.F32)+len(in.I64) {
		return fmt.Errorf("%d values for shape %v", len(in.F32)+len(in.I64), in.Shape)
	}
	return nil
}

// place copies src of one shape into the corner of dst, of another that is as large, and fills the rest with pad.
func place[T float32 | int64](dst []T, into []int, src []T, from []int, pad T) {
	if len(from) < 2 || slices.Equal(from[1:], into[1:]) {
		fill(dst, src, pad)
		return
	}
	step, own := len(dst)/into[0], len(src)/from[0]
	for i := range into[0] {
		var row []T
		if i < from[0] {
			row = src[i*own : (i+1)*own]
		}
		place(dst[i*step:(i+1)*step], into[1:], row, from[1:], pad)
	}
}

func fill[T float32 | int64](dst, src []T, pad T) {
	n := copy(dst, src)
	if pad == 0 {
		clear(dst[n:])
		return
	}
	for i := n; i < len(dst); i++ {
		dst[i] = pad
	}
}
