package graph

import (
	"fmt"

	"vecmill/model/onnx"
)

// Pass is something that makes graphs faster, whose numbers stay the same but for rounding. All are taken. One can be left out ([Options.Without]), so that a benchmark says what it is worth.
type Pass string

// The passes.
const (
	Taps         Pass = "taps"          // convolutions over samples are sums of products, one for each tap, and channels stay the last axis
	Pieces       Pass = "pieces"        // the first convolutions over samples, and attention, take a recording piece by piece, which stay in the caches
	WeightsAsIs  Pass = "weights-as-is" // the runtime's product takes a weight as the checkpoint has it, [out, in]
	ScaledScores Pass = "scaled-scores" // the runtime's product transposes keys and scales
	BiasGelu     Pass = "bias-gelu"     // bias and GELU are one operator
	SumNorm      Pass = "sum-norm"      // bias, residual sum and LayerNorm are one operator
	LayerScale   Pass = "layer-scale"   // factors of a layer's results are folded into the weights
)

// Passes are all of them.
func Passes() []Pass {
	return []Pass{Taps, Pieces, WeightsAsIs, ScaledScores, BiasGelu, SumNorm, LayerScale}
}

// known says whether there is such a pass; "" is none.
func (p Pass) known() error {
	if p == "" {
		return nil
	}
	for _, q := range Passes() {
		if p == q {
			return nil
		}
	}
	return fmt.Errorf("there is no pass %q; there are %v", string(p), Passes())
}

// MatMulT is [onnx.Builder.MatMulT], or without [WeightsAsIs] a product with the transposed weight, which the runtime folds.
func (n *net) MatMulT(x, w onnx.Value) onnx.Value {
	if n.o.Without == WeightsAsIs {
		return n.MatMul(x, n.Transpose(w, 1, 0))
	}
	return n.Builder.MatMulT(x, w)
}

// ScaledMatMulT is [onnx.Builder.ScaledMatMulT], or without [ScaledScores] what it stands for.
func (n *net) ScaledMatMulT(q, k onnx.Value, scale float64) onnx.Value {
	if n.o.Without == ScaledScores {
		return n.Mul(n.MatMul(q, n.Transpose(k, 0, 1, 3, 2)), n.Scalar(float32(scale)))
	}
	return n.Builder.ScaledMatMulT(q, k, scale)
}

// BiasGelu is [onnx.Builder.BiasGelu], or without [BiasGelu] what it stands for.
func (n *net) BiasGelu(x, bias onnx.Value) onnx.Value {
	if n.o.Without == BiasGelu {
		return n.Gelu(n.Add(x, bias))
	}
	return n.Builder.BiasGelu(x, bias)
}

// SumNorm is [onnx.Builder.SumNorm], or without [SumNorm] what it stands for.
func (n *net) SumNorm(x, y, bias, scale, shift onnx.Value, eps float64) onnx.Value {
	if n.o.Without == SumNorm {
		return n.LayerNorm(n.Add(n.Add(x, bias), y), scale, shift, eps)
	}
	return n.Builder.SumNorm(x, y, bias, scale, shift, eps)
}

// convolved is what [net.strided] computes as the reference does: over the last axis, between two transpositions.
func (n *net) convolved(x onnx.Value, weight string, in, out, taps, stride int) onnx.Value {
	w := n.stored(n.w.Backbone, weight, out, in, taps)
	y := n.Conv(n.Transpose(x, 0, 2, 1), w, onnx.Value{}, onnx.Convolution{Kernel: []int{taps}, Strides: []int{stride}})
	return n.Transpose(y, 0, 2, 1)
}
