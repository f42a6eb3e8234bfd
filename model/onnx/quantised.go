package onnx

// Quantised is a matrix [rows, in] in whole numbers from 1 to 255, each row by its own scale: scale * (values - 128).
type Quantised struct {
	values Value // uint8 [rows, in] or [B, T, in]
	scale  Value // float32 [rows] or [B, T]
}

// zeroAt is the whole number that stands for zero.
const zeroAt = 128

// QuantiseRows rounds x [rows, in]. A scale for each row, and not one for the matrix, as DynamicQuantizeLinear has it, keeps a row's numbers from
// depending on the rows beside it; and it is closer, because rows differ in size.
func (b *Builder) QuantiseRows(x Value) Quantised {
	top := b.reduce("ReduceMax", x)
	bottom := b.Op("Neg", []Value{b.reduce("ReduceMin", x)})
	const tiny = 1e-30 // for rows of zeros
	scale := b.Max(b.Mul(b.Max(top, bottom), b.Scalar(1./127)), b.Scalar(tiny))
	// Maxima pass over what is no number, and rounding makes a number of it. A sum does not, and its scale takes all of the row's products with it.
	scale = b.Add(scale, b.Mul(b.reduce("ReduceSum", x), b.Scalar(0)))
	zeros := b.Expand(b.byteScalar(Uint8, zeroAt), b.Op("Shape", []Value{scale}))
	return Quantised{b.Op("QuantizeLinear", []Value{x, scale, zeros}, IntAttr("axis", 0)), scale}
}

// reduce applies a reduction over the last axis, which vanishes.
func (b *Builder) reduce(op string, x Value) Value {
	return b.Op(op, []Value{x, b.Ints(-1)}, IntAttr("keepdims", 0))
}

// QuantisedMatMul is x * w, float32 [rows, out], for w int8 [in, out] whose columns are to be multiplied by scale [out]. The sums are of whole
// numbers: they are the same in any order.
func (b *Builder) QuantisedMatMul(x Quantised, w, scale Value) Value {
	y := b.fused("MatMulIntegerToFloat", []Value{x.values, w, b.Scalar(1), scale, b.byteScalar(Uint8, zeroAt)})
	return b.Mul(y, b.Unsqueeze(x.scale, -1))
}

// ReshapeQuantised gives q, whose rows are those of x [B, T, in] one below the other, the axes of x.
func (b *Builder) ReshapeQuantised(q Quantised, x Value) Quantised {
	shape := b.Op("Shape", []Value{x})
	return Quantised{b.ReshapeTo(q.values, shape), b.ReshapeTo(q.scale, b.Slice(shape, 0, 0, -1))}
}

// StridedQuantised is [Builder.Strided] of q [B, T, in] along T.
func (b *Builder) StridedQuantised(q Quantised, from, without, step int) Quantised {
	return Quantised{b.Strided(q.values, 1, from, without, step), b.Strided(q.scale, 1, from, without, step)}
}

// byteScalar is a constant of one byte, without axes.
func (b *Builder) byteScalar(t Type, v byte) Value { return b.constant(t, nil, []byte{v}) }
