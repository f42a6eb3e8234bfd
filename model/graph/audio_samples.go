package graph

import (
	"fmt"
	"strings"

	"vecmill/model/onnx"
)

// samples makes frames [B, T, C] of samples [B, N]: per layer a valid convolution, LayerNorm over channels with torch's epsilon, activation.
// Channels stay the last axis, where LayerNorm wants them, and a convolution is the sum of a product for each tap of its kernel: on a CPU
// that takes three quarters of the time of Conv between transpositions.
func (n *net) samples(in onnx.Value) onnx.Value {
	c := n.cfg.Audio
	x, channels := n.Unsqueeze(in, 2), 1
	for i, out := range c.ConvDim {
		p := layer("feature_extractor.conv_layers", i)
		n.Scope(strings.TrimSuffix(p, "."))
		steps := n.taps(x, c.ConvKernel[i], c.ConvStride[i], 1)
		if channels == 1 { // too narrow for a product of each: all taps at once
			w := n.w.Backbone(p+"conv.weight", out, 1, c.ConvKernel[i])
			x = n.MatMulT(n.Concat(2, steps...), n.Weight(w.Name, []int{out, c.ConvKernel[i]}, &w))
		} else {
			x = n.tapSum(steps, p+"conv.weight", channels, out)
		}
		if c.ConvBias {
			x = n.Add(x, n.stored(n.w.Backbone, p+"conv.bias", out))
		}
		x = n.norm(n.w.Backbone, x, p+"layer_norm", out, torchEps)
		x = n.activation(c.FeatExtractActivation, x, p+"activation")
		channels = out
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

// tapSum is the sum over taps of their steps [B, T, in] times their part of a convolution's weight [out, in, taps].
func (n *net) tapSum(steps []onnx.Value, weight string, in, out int) onnx.Value {
	w := n.values(n.w.Backbone, weight, out, in, len(steps))
	var sum onnx.Value
	for i, x := range steps {
		tap := make([]float32, out*in)
		for j := range tap {
			tap[j] = w[j*len(steps)+i]
		}
		y := n.MatMulT(x, n.Weight(fmt.Sprintf("%s.tap.%d", weight, i), []int{out, in}, onnx.FloatData(tap)))
		if i == 0 {
			sum = y
		} else {
			sum = n.Add(sum, y)
		}
	}
	return sum
}
