package onnx

// The operators of this file are ONNX Runtime's own. They compute what several standard ones do, with fewer passes over memory, and the
// runtime would fuse the standard ones only in the shapes that it expects.

// MatMulT is x * w^T for w [out, in] as checkpoints store it.
func (b *Builder) MatMulT(x, w Value) Value {
	return b.fused("FusedMatMul", []Value{x, w}, IntAttr("transB", 1))
}

// Linear is x * w^T + bias for x [..., in], w [out, in] as checkpoints store it, bias [out] or absent; the result is [..., out]. A product and a sum
// are faster than Gemm, which copies the bias into the result before it adds the product.
func (b *Builder) Linear(x, w, bias Value) Value {
	y := b.MatMulT(x, w)
	if bias == (Value{}) {
		return y
	}
	return b.Add(y, bias)
}

// ScaledMatMulT is scale * q * k^T over the last two axes.
func (b *Builder) ScaledMatMulT(q, k Value, scale float64) Value {
	return b.fused("FusedMatMul", []Value{q, k}, IntAttr("transB", 1), FloatAttr("alpha", scale))
}

// BiasGelu is Gelu(x + bias) for bias of the last axis' length.
func (b *Builder) BiasGelu(x, bias Value) Value { return b.fused("BiasGelu", []Value{x, bias}) }

// SumNorm is LayerNorm(x + y + bias) for x and y [n, width] or [B, n, width] and scale, shift and bias [width].
func (b *Builder) SumNorm(x, y, bias, scale, shift Value, eps float64) Value {
	return b.fused("SkipLayerNormalization", []Value{x, y, scale, shift, bias}, FloatAttr("epsilon", eps))
}
