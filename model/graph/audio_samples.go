package graph

import (
	"strings"

	"vecmill/model/onnx"
)

// samples makes frames [B, T, C] of samples [B, N]: per layer a valid convolution, LayerNorm over channels with torch's epsilon, activation.
// Channels stay the last axis, where LayerNorm wants them, and a convolution is the sum of a product for each tap of its kernel: on a CPU
// that takes three quarters of the time of Conv between transpositions. The first layers take a recording in pieces ([net.pieces]).
func (n *net) samples(in onnx.Value) onnx.Value {
	c := n.cfg.Audio
	x, first := n.Unsqueeze(in, 2), 0
	if n.inPieces() {
		x, first = n.pieces(x)
	}
	return n.convolve(x, first, len(c.ConvDim))
}

// convolve is the layers from first until behind on x [B, T, C].
func (n *net) convolve(x onnx.Value, first, behind int) onnx.Value {
	c := n.cfg.Audio
	for i := first; i < behind; i++ {
		p := layer("feature_extractor.conv_layers", i)
		n.Scope(strings.TrimSuffix(p, "."))
		k, stride, out, channels := c.ConvKernel[i], c.ConvStride[i], c.ConvDim[i], 1
		if i > 0 {
			channels = c.ConvDim[i-1]
		}
		switch {
		case n.o.Without == Taps:
			x = n.convolved(x, p+"conv.weight", channels, out, k, stride)
		case channels == 1: // too narrow for a product of each tap: all at once
			w := n.w.Backbone(p+"conv.weight", out, 1, k)
			x = n.MatMulT(n.Concat(2, n.taps(x, k, stride, 1)...), n.Weight(w.Name, []int{out, k}, &w))
		default:
			x = n.strided(x, p+"conv.weight", channels, out, k, stride)
		}
		x = n.full(x)
		if c.ConvBias {
			x = n.Add(x, n.stored(n.w.Backbone, p+"conv.bias", out))
		}
		x = n.reduced(n.norm(n.w.Backbone, x, p+"layer_norm", out, torchEps))
		x = n.activation(c.FeatExtractActivation, x, p+"activation")
	}
	return x
}

// taps are the steps of x [B, T, C] that each tap of a valid convolution's kernel is applied to, [B, T', C] each.
func (n *net) taps(x onnx.Value, kernel, stride, dilation int) []onnx.Value {
	steps := make([]onnx.Value, kernel)
	for i := range steps {
		steps[i] = n.Strided(x, 1, i*dilation, (kernel-1-i)*dilation, stride)
	}
	return steps
}

// strided is a valid convolution of x [B, T, in] without bias: the sum over the taps of its weight [out, in, taps].
func (n *net) strided(x onnx.Value, weight string, in, out, taps, stride int) onnx.Value {
	var sum onnx.Value
	add := func(tap int, y onnx.Value) {
		if tap > 0 {
			y = n.Add(sum, y)
		}
		sum = y
	}
	if n.o.Precision == Half { // one sum, in single precision, and not one of halves for each tap
		return n.product(n.Concat(2, n.taps(n.reduced(x), taps, stride, 1)...), n.window(weight, in, out, taps))
	}
	if !n.inWholeNumbers(out) {
		for i, step := range n.taps(x, taps, stride, 1) {
			add(i, n.product(step, n.tap(weight, in, out, i, taps)))
		}
		return sum
	}
	q := n.ReshapeQuantised(n.QuantiseRows(n.Reshape(x, -1, in)), x) // rounded once for all taps
	for i := range taps {
		add(i, n.wholeProduct(n.StridedQuantised(q, i, taps-1-i, stride), n.tap(weight, in, out, i, taps)))
	}
	return sum
}
