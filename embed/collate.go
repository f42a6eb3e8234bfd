package embed

import "fmt"

// Collate stacks the samples' inputs into one tensor per input, with the batch as first axis. Inputs that differ in
// their first dimension are padded on the right to the longest. Samples must agree in their inputs' names, order and
// remaining dimensions; that is a property of their preprocessor, so a difference is an error of ours.
func Collate(batch []Sample) ([]Tensor, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("collating an empty batch")
	}
	first := batch[0].Inputs
	out := make([]Tensor, len(first))
	for k := range first {
		t, err := stack(batch, k)
		if err != nil {
			return nil, fmt.Errorf("collating input %s: %w", first[k].Name, err)
		}
		out[k] = t
	}
	return out, nil
}

func stack(batch []Sample, k int) (Tensor, error) {
	proto := &batch[0].Inputs[k]
	longest, inner := 0, 1
	for i := range batch {
		if k >= len(batch[i].Inputs) {
			return Tensor{}, fmt.Errorf("sample %d has only %d inputs", i, len(batch[i].Inputs))
		}
		in := &batch[i].Inputs[k]
		if err := agrees(in, proto); err != nil {
			return Tensor{}, fmt.Errorf("sample %d: %w", i, err)
		}
		if len(in.Shape) > 0 {
			longest = max(longest, in.Shape[0])
		}
	}
	t := Tensor{Name: proto.Name, Shape: []int64{int64(len(batch))}}
	if len(proto.Shape) > 0 {
		t.Shape = append(t.Shape, int64(longest))
		for _, d := range proto.Shape[1:] {
			inner *= d
			t.Shape = append(t.Shape, int64(d))
		}
	} else {
		longest = 1
	}
	stride := longest * inner
	if proto.F32 != nil {
		t.F32 = make([]float32, len(batch)*stride)
		for i := range batch {
			fill(t.F32[i*stride:(i+1)*stride], batch[i].Inputs[k].F32, float32(batch[i].Inputs[k].Pad))
		}
	} else {
		t.I64 = make([]int64, len(batch)*stride)
		for i := range batch {
			fill(t.I64[i*stride:(i+1)*stride], batch[i].Inputs[k].I64, int64(batch[i].Inputs[k].Pad))
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
	n := 1
	for d := range in.Shape {
		n *= in.Shape[d]
		if d > 0 && in.Shape[d] != proto.Shape[d] {
			return fmt.Errorf("shape %v does not fit %v", in.Shape, proto.Shape)
		}
	}
	if n != len(in.F32)+len(in.I64) {
		return fmt.Errorf("%d values for shape %v", len(in.F32)+len(in.I64), in.Shape)
	}
	return nil
}

func fill[T float32 | int64](dst, src []T, pad T) {
	n := copy(dst, src)
	if pad == 0 {
		return // make has cleared it
	}
	for i := n; i < len(dst); i++ {
		dst[i] = pad
	}
}
