package checkpoint

import "slices"

// rowMajor says whether the strides are those of a tensor that lies row by row without gaps. Dimensions of one element may have any stride.
func (t *Tensor) rowMajor() bool {
	want := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] != 1 && t.strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return true
}

// rows calls f for each line of n elements in row-major order: the bytes from its first element on, and the distance between
// neighbours, in elements. A row-major tensor is a single line.
func (t *Tensor) rows(f func(row []byte, n, step int)) {
	n := t.count()
	if n == 0 {
		return
	}
	outer := len(t.Shape) - 1
	if t.strides == nil || outer < 0 {
		f(t.raw, n, 1)
		return
	}
	width, at := int(t.DType.size()), 0
	index := make([]int, outer)
	for {
		f(t.raw[at*width:], t.Shape[outer], t.strides[outer])
		i := outer - 1
		for ; i >= 0; i-- { // count the outer dimensions up by one, like an odometer
			index[i]++
			at += t.strides[i]
			if index[i] < t.Shape[i] {
				break
			}
			at -= index[i] * t.strides[i]
			index[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// count is the number of elements there are: none for the stand-in of a missing weight, whatever its shape.
func (t *Tensor) count() int {
	if t.strides == nil {
		return len(t.raw) / int(t.DType.size())
	}
	return t.Elements()
}

// transposed is the tensor with its dimensions in another order: dimension i of the result is dimension order[i] of t. Nothing is copied.
func (t *Tensor) transposed(order ...int) Tensor {
	from := t.strides
	if from == nil {
		from = denseStrides(t.Shape)
	}
	out := Tensor{Name: t.Name, DType: t.DType, Shape: make([]int, len(order)), strides: make([]int, len(order)), raw: t.raw}
	for i, d := range order {
		out.Shape[i], out.strides[i] = t.Shape[d], from[d]
	}
	if out.Elements() == 0 || out.rowMajor() {
		out.strides = nil
	}
	return out
}

func denseStrides(shape []int) []int {
	strides, n := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = n
		n *= shape[i]
	}
	return strides
}

// same says whether two tensors are the same elements of the same file: weights tied to each other and saved under two names.
func (t *Tensor) same(o *Tensor) bool {
	return len(t.raw) > 0 && len(t.raw) == len(o.raw) && &t.raw[0] == &o.raw[0] && t.DType == o.DType &&
		slices.Equal(t.Shape, o.Shape) && slices.Equal(t.strides, o.strides)
}
