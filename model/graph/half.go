package graph

import (
	"io"

	"vecmill/model/onnx"
)

// In half precision the encoder's products, what attention multiplies, GELU between two products, and the convolutions over patches and frames take
// and give float16; weights of these are stored so. Norms, softmax, masks, sums along the residual, embeddings, pooling and heads stay in
// single precision: [net.full] stands before each of them. Products sum in single precision on a GPU and on the CPU, where the runtime widens
// what it has no float16 kernel for. Graph inputs and outputs are float32 whatever the precision.

// reduced is x in the precision of products; x itself in graphs of other precisions.
func (n *net) reduced(x onnx.Value) onnx.Value {
	if n.o.Precision != Half || x.Half() {
		return x
	}
	return n.cast(x, onnx.Float16)
}

// full is x in single precision.
func (n *net) full(x onnx.Value) onnx.Value {
	if !x.Half() {
		return x
	}
	return n.cast(x, onnx.Float32)
}

// cast converts x, once for all that take it.
func (n *net) cast(x onnx.Value, to onnx.Type) onnx.Value {
	y, ok := n.other[x]
	if !ok {
		y = n.Cast(x, to)
		n.other[x] = y
	}
	return y
}

// like is x in the precision of y.
func (n *net) like(x, y onnx.Value) onnx.Value {
	if y.Half() {
		return n.reduced(x)
	}
	return n.full(x)
}

// weightFor is a weight of the backbone in the precision of x, which it is used with.
func (n *net) weightFor(x onnx.Value, name string, shape ...int) onnx.Value {
	if !x.Half() {
		return n.stored(n.w.Backbone, name, shape...)
	}
	t := n.w.Backbone(name, shape...)
	return n.HalfWeight(name+".fp16", shape, halves(func() []float32 { return numbers(&t) }))
}

// halfProduct is x * w^T of halves.
func (n *net) halfProduct(x onnx.Value, w matrix) onnx.Value {
	return n.MatMulT(n.reduced(x), n.HalfWeight(w.name+".fp16", []int{w.out, w.in}, halves(w.values)))
}

// window is a convolution's weight [out, in, taps] as a matrix over the taps beside each other, [out, taps * in].
func (n *net) window(weight string, in, out, taps int) matrix {
	t := n.w.Backbone(weight, out, in, taps)
	values := func() []float32 {
		w, beside := numbers(&t), make([]float32, out*in*taps)
		for o := range out {
			for i := range in {
				for tap := range taps {
					beside[(o*taps+tap)*in+i] = w[(o*in+i)*taps+tap]
				}
			}
		}
		return beside
	}
	return matrix{weight + ".window", out, taps * in, floats(values), values}
}

// halves writes what the function gives in half precision.
type halves func() []float32

// WriteTo implements io.WriterTo.
func (h halves) WriteTo(w io.Writer) (int64, error) { return onnx.HalfData(h()).WriteTo(w) }
