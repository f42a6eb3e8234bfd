package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"vecmill/model/checkpoint"
	"vecmill/model/config"
	"vecmill/model/onnx"
)

// negligible is added to the scores of masked keys: the lowest float32, as in the reference. Not -Inf, which turns a row that is
// masked altogether into NaN.
const negligible = -math.MaxFloat32

// torchEps is torch's default epsilon of LayerNorm, used where the reference passes none.
const torchEps = 1e-5

// net is a graph under construction. The first failing layer sets err; those after it build on, to no effect.
type net struct {
	*onnx.Builder
	w      *checkpoint.Binding
	cfg    *config.Config
	o      Options
	err    error
	batch  onnx.Dim
	single onnx.Dim   // of what items have one of: the batch, unless rows hold several items
	items  onnx.Value // int64 [1]: items of the batch, where each has several rows of tokens
	packed packed
	whole  map[onnx.Value]onnx.Quantised // what products have taken in whole numbers already
	other  map[onnx.Value]onnx.Value     // what has been converted to the other of single and half precision already
}

// source hands out weights: the binding's Backbone or Head.
type source func(name string, shape ...int) checkpoint.Tensor

func (n *net) wants(output string) bool { return slices.Contains(n.o.Outputs, output) }
func (n *net) takes(input string) bool  { return slices.Contains(n.o.Inputs, input) }

// flags declares an input that the reference takes as booleans. It is int64 here, because sessions carry no other integers.
func (n *net) flags(name string, dims ...onnx.Dim) onnx.Value {
	return n.Differ(n.Input(name, onnx.Int64, dims...), n.Int(0))
}

// stored is a weight as it lies in the checkpoint.
func (n *net) stored(from source, name string, shape ...int) onnx.Value {
	t := from(name, shape...)
	return n.Weight(t.Name, shape, &t)
}

// values are the numbers of a weight, for folding.
func (n *net) values(from source, name string, shape ...int) []float32 {
	t := from(name, shape...)
	return numbers(&t)
}

// linear is a dense layer of the encoder, with bias, on x [rows, in]; the result is in single precision.
func (n *net) linear(x onnx.Value, name string, in, out int) onnx.Value {
	return n.Add(n.full(n.product(x, n.matrix(name, in, out))), n.stored(n.w.Backbone, name+".bias", out))
}

// dense is linear with the result in the graph's precision, for what multiplies it again.
func (n *net) dense(x onnx.Value, name string, in, out int) onnx.Value {
	y := n.product(x, n.matrix(name, in, out))
	return n.Add(y, n.weightFor(y, name+".bias", out))
}

// exact is a dense layer with bias, on x [rows, in], in single precision whatever the graph's is: a head's.
func (n *net) exact(from source, x onnx.Value, name string, in, out int) onnx.Value {
	return n.Linear(x, n.stored(from, name+".weight", out, in), n.stored(from, name+".bias", out))
}

// activated is a dense layer of the encoder followed by an activation function; at is the function's place among the modules.
func (n *net) activated(act string, x onnx.Value, name string, in, out int, at string) onnx.Value {
	if act != "gelu" {
		return n.activation(act, n.dense(x, name, in, out), at)
	}
	y := n.product(x, n.matrix(name, in, out))
	return n.BiasGelu(y, n.weightFor(y, name+".bias", out))
}

// normSum is LayerNorm(x + y * w^T + b): the end of a post-norm block, whose input is x [rows, out].
func (n *net) normSum(x, y onnx.Value, name string, in, out int, norm string, eps float64) onnx.Value {
	y = n.full(n.product(y, n.matrix(name, in, out)))
	get := n.w.Backbone
	b, scale, shift := n.stored(get, name+".bias", out), n.stored(get, norm+".weight", out), n.stored(get, norm+".bias", out)
	return n.SumNorm(y, x, b, scale, shift, eps)
}

// scaledLinear is a dense layer of the encoder whose result is multiplied by a vector: the vector is folded into weight and bias. Weights that are
// too small for half precision then matter no more than their results, which go to the residual, would in single precision.
func (n *net) scaledLinear(x onnx.Value, name string, in, out int, scale []float32) onnx.Value {
	if scale == nil {
		return n.linear(x, name, in, out)
	}
	if n.o.Without == LayerScale {
		return n.Mul(n.linear(x, name, in, out), n.Floats([]int{out}, scale))
	}
	b := n.values(n.w.Backbone, name+".bias", out)
	for i, s := range scale {
		b[i] *= s
	}
	y := n.full(n.product(x, n.matrix(name, in, out).scaled(name+".weight.scaled", scale)))
	return n.Add(y, n.Weight(name+".bias.scaled", []int{out}, onnx.FloatData(b)))
}

func (n *net) norm(from source, x onnx.Value, name string, dim int, eps float64) onnx.Value {
	return n.LayerNorm(n.full(x), n.stored(from, name+".weight", dim), n.stored(from, name+".bias", dim), eps)
}

// plainNorm is a LayerNorm without parameters.
func (n *net) plainNorm(x onnx.Value, dim int, eps float64) onnx.Value {
	ones := slices.Repeat([]float32{1}, dim)
	return n.LayerNorm(n.full(x), n.Floats([]int{dim}, ones), n.Floats([]int{dim}, make([]float32, dim)), eps)
}

// activation applies an activation function by its name in transformers. at is its place among the modules: prelu has a weight there. Of functions in half
// precision there is only GELU; squares, for one, leave it.
func (n *net) activation(name string, x onnx.Value, at string) onnx.Value {
	if name != "gelu" {
		x = n.full(x)
	}
	if name == "prelu" {
		return n.Op("PRelu", []onnx.Value{x, n.stored(n.w.Backbone, at+".weight", 1)})
	}
	v, err := n.Activation(name, x)
	if err != nil {
		n.err = errors.Join(n.err, err)
		return x
	}
	return v
}

// attention is the geometry of the self-attention of one model.
type attention struct {
	hidden, heads int
	split         onnx.Value // int64 [4]: B, T, heads, hidden/heads
	mask          onnx.Value // added to the scores, broadcast to [B, heads, T, T]; absent: none
	keep          onnx.Value // [heads, 1, 1], what each head's probabilities are multiplied by; absent: 1
	probs         []onnx.Value
}

func (a *attention) width() int { return a.hidden / a.heads }

// scale is what scores are multiplied by.
func (a *attention) scale() float32 { return float32(1 / math.Sqrt(float64(a.width()))) }

// heads makes [B, heads, T, width] of [B*T, hidden].
func (n *net) heads(a *attention, x onnx.Value) onnx.Value {
	return n.Transpose(n.ReshapeTo(x, a.split), 0, 2, 1, 3)
}

// attend is softmax(scores + mask) * v, back as [B*T, hidden], in v's precision. bias may be absent.
func (n *net) attend(a *attention, scores, bias, v onnx.Value) onnx.Value {
	scores = n.full(scores) // a mask is lower than half precision goes
	for _, add := range []onnx.Value{bias, a.mask} {
		if add != (onnx.Value{}) {
			scores = n.Add(scores, add)
		}
	}
	p := n.Softmax(scores)
	if a.keep != (onnx.Value{}) {
		p = n.Mul(p, a.keep)
	}
	a.probs = append(a.probs, p)
	y := n.MatMul(n.like(p, v), v)
	return n.Reshape(n.Transpose(y, 0, 2, 1, 3), -1, a.hidden)
}

// selfAttention is attention with dense q, k and v of the given names, without position terms.
func (n *net) selfAttention(a *attention, x onnx.Value, prefix, q, k, v string) onnx.Value {
	return n.attended(a, n.dense(x, prefix+q, a.hidden, a.hidden), n.dense(x, prefix+k, a.hidden, a.hidden),
		n.dense(x, prefix+v, a.hidden, a.hidden), onnx.Value{})
}

// attended is attention of q, k and v [B*T, hidden] to each other, [B*T, hidden]. bias may be absent.
func (n *net) attended(a *attention, q, k, v, bias onnx.Value) onnx.Value {
	scores := n.ScaledMatMulT(n.heads(a, q), n.heads(a, k), float64(a.scale()))
	return n.attend(a, scores, bias, n.heads(a, v))
}

// hiddenStates declares the optional outputs hidden_states.0, hidden_states.1, ... of [rows, hidden] values: all of them, or those asked for.
func (n *net) hiddenStates(states []onnx.Value, shape onnx.Value, dims ...onnx.Dim) {
	found := 0
	for i, s := range states {
		name := "hidden_states." + strconv.Itoa(i)
		if n.wants(name) {
			found++
		} else if !n.wants("hidden_states") {
			continue
		}
		n.Output(name, n.ReshapeTo(s, shape), onnx.Float32, dims...)
	}
	asked := 0
	for _, o := range n.o.Outputs {
		if strings.HasPrefix(o, "hidden_states.") {
			asked++
		}
	}
	if found < asked {
		n.err = errors.Join(n.err, fmt.Errorf("the outputs are %s, and there are hidden_states.0 to .%d", strings.Join(n.o.Outputs, ", "), len(states)-1))
	}
}

// attentions declares the optional outputs attentions.0, attentions.1, ... of [B, heads, queries, keys] probabilities, one for every layer.
func (n *net) attentions(what string, a *attention, queries, keys onnx.Dim) {
	if !n.wants(what) {
		return
	}
	for i, p := range a.probs {
		n.Output(what+"."+strconv.Itoa(i), p, onnx.Float32, onnx.Dyn("rows"), onnx.Fixed(a.heads), queries, keys)
	}
}

// headMask declares the optional input head_mask [layers, heads] of factors for each head's probabilities.
func (n *net) headMask(heads int) onnx.Value {
	if !n.takes("head_mask") {
		return onnx.Value{}
	}
	return n.Input("head_mask", onnx.Float32, onnx.Dyn("layers"), onnx.Fixed(heads))
}

// keep makes a layer's part of the head mask current.
func (n *net) keep(a *attention, mask onnx.Value, layer int) {
	if mask != (onnx.Value{}) {
		a.keep = n.Unsqueeze(n.Gather(mask, n.Int(layer), 0), 1, 2)
	}
}

func layer(prefix string, i int) string { return fmt.Sprintf("%s.%d.", prefix, i) }
