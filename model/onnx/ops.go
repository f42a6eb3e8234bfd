package onnx

import "math"

// Add is x + y with broadcasting.
func (b *Builder) Add(x, y Value) Value { return b.Op("Add", []Value{x, y}) }

// Sub is x - y with broadcasting.
func (b *Builder) Sub(x, y Value) Value { return b.Op("Sub", []Value{x, y}) }

// Mul is x * y with broadcasting.
func (b *Builder) Mul(x, y Value) Value { return b.Op("Mul", []Value{x, y}) }

// Div is x / y with broadcasting; int64 division truncates towards zero.
func (b *Builder) Div(x, y Value) Value { return b.Op("Div", []Value{x, y}) }

// Mod is the remainder of int64 division with the sign of y, as in Python.
func (b *Builder) Mod(x, y Value) Value { return b.Op("Mod", []Value{x, y}) }

// Max is the larger of x and y.
func (b *Builder) Max(x, y Value) Value { return b.Op("Max", []Value{x, y}) }

// Less is x < y, Bool.
func (b *Builder) Less(x, y Value) Value { return b.Op("Less", []Value{x, y}) }

// Differ is x != y of whole numbers, Bool. ONNX Runtime 1.24 has no kernel of CUDA for Equal as it is since opset 19, nor for Pad and Resize.
func (b *Builder) Differ(x, y Value) Value { return b.Or(b.Less(x, y), b.Less(y, x)) }

// Equal is x == y of whole numbers, Bool.
func (b *Builder) Equal(x, y Value) Value { return b.Not(b.Differ(x, y)) }

// Or is x || y of Bools.
func (b *Builder) Or(x, y Value) Value { return b.Op("Or", []Value{x, y}) }

// Not negates a Bool.
func (b *Builder) Not(x Value) Value { return b.Op("Not", []Value{x}) }

// Where picks x where cond, else y.
func (b *Builder) Where(cond, x, y Value) Value { return b.Op("Where", []Value{cond, x, y}) }

// Cast converts to another element type.
func (b *Builder) Cast(x Value, to Type) Value {
	y := b.Op("Cast", []Value{x}, castTo(to))
	y.half = to == Float16
	return y
}

func castTo(t Type) Attr { return IntAttr("to", int(t)) }

// MatMul is the product of the last two axes, batched over the others.
func (b *Builder) MatMul(x, y Value) Value { return b.Op("MatMul", []Value{x, y}) }

// Einsum evaluates an Einstein sum.
func (b *Builder) Einsum(equation string, x ...Value) Value {
	return b.Op("Einsum", x, StringAttr("equation", equation))
}

// LayerNorm normalises over the last axis and applies scale and bias, both of that axis' length.
func (b *Builder) LayerNorm(x, scale, bias Value, eps float64) Value {
	return b.Op("LayerNormalization", []Value{x, scale, bias}, IntAttr("axis", -1), FloatAttr("epsilon", eps))
}

// Softmax is over the last axis.
func (b *Builder) Softmax(x Value) Value { return b.Op("Softmax", []Value{x}, IntAttr("axis", -1)) }

// Convolution are the options of Conv, per spatial axis.
type Convolution struct {
	Kernel    []int // elements of w
	Strides   []int // elements of x
	Dilations []int // nil: 1
	Pads      []int // begins, then ends; nil: none
	Groups    int   // 0: 1
}

// Conv convolves x [B, C, ...] with w [out, C/groups, ...]; bias [out] may be absent.
func (b *Builder) Conv(x, w, bias Value, c Convolution) Value {
	in := []Value{x, w}
	if bias != (Value{}) {
		in = append(in, bias)
	}
	attrs := []Attr{IntsAttr("kernel_shape", c.Kernel...), IntsAttr("strides", c.Strides...), IntAttr("group", max(1, c.Groups))}
	if c.Dilations != nil {
		attrs = append(attrs, IntsAttr("dilations", c.Dilations...))
	}
	if c.Pads != nil {
		attrs = append(attrs, IntsAttr("pads", c.Pads...))
	}
	return b.Op("Conv", in, attrs...)
}

// Transpose permutes the axes.
func (b *Builder) Transpose(x Value, perm ...int) Value {
	return b.Op("Transpose", []Value{x}, IntsAttr("perm", perm...))
}

// Reshape gives x fixed axes; 0 keeps the axis of x at that place, one -1 takes what is left.
func (b *Builder) Reshape(x Value, shape ...int) Value {
	return b.ReshapeTo(x, b.Ints(shape...))
}

// ReshapeTo gives x a shape computed in the graph, an int64 vector.
func (b *Builder) ReshapeTo(x, shape Value) Value { return b.Op("Reshape", []Value{x, shape}) }

// Unsqueeze inserts axes of length 1.
func (b *Builder) Unsqueeze(x Value, axes ...int) Value {
	return b.Op("Unsqueeze", []Value{x, b.Ints(axes...)})
}

// Squeeze removes axes of length 1.
func (b *Builder) Squeeze(x Value, axes ...int) Value {
	return b.Op("Squeeze", []Value{x, b.Ints(axes...)})
}

// Split cuts x into n equal parts along an axis.
func (b *Builder) Split(x Value, axis, n int) []Value {
	return b.Ops("Split", n, []Value{x}, IntAttr("axis", axis), IntAttr("num_outputs", n))
}

// Slice is x[from:to] along one axis, with Python's meaning of negative bounds.
func (b *Builder) Slice(x Value, axis, from, to int) Value {
	return b.Op("Slice", []Value{x, b.Ints(from), b.Ints(to), b.Ints(axis)})
}

// SliceTo is x[from:to] along one axis, with bounds computed in the graph, int64 vectors of one element.
func (b *Builder) SliceTo(x Value, axis int, from, to Value) Value {
	return b.Op("Slice", []Value{x, from, to, b.Ints(axis)})
}

// Strided is every step-th element of x along an axis, beginning at from; the last without elements do not count.
func (b *Builder) Strided(x Value, axis, from, without, step int) Value {
	to := -without
	if without == 0 {
		to = math.MaxInt64
	}
	return b.Op("Slice", []Value{x, b.Ints(from), b.Ints(to), b.Ints(axis), b.Ints(step)})
}

// Concat joins along an axis.
func (b *Builder) Concat(axis int, x ...Value) Value {
	return b.Op("Concat", x, IntAttr("axis", axis))
}

// Expand broadcasts x to a shape computed in the graph.
func (b *Builder) Expand(x, shape Value) Value { return b.Op("Expand", []Value{x, shape}) }

// Gather picks rows of x along an axis.
func (b *Builder) Gather(x, indices Value, axis int) Value {
	return b.Op("Gather", []Value{x, indices}, IntAttr("axis", axis))
}

// DimOf is the length of one axis of x, as an int64 vector of one element.
func (b *Builder) DimOf(x Value, axis int) Value {
	return b.Op("Shape", []Value{x}, IntAttr("start", axis), IntAttr("end", axis+1))
}

// Arange is 0, 1, ... n-1 for n an int64 vector of one element.
func (b *Builder) Arange(n Value) Value {
	return b.Op("Range", []Value{b.Int(0), b.Squeeze(n, 0), b.Int(1)})
}

// CumSum is the running sum along an axis.
func (b *Builder) CumSum(x Value, axis int) Value {
	return b.Op("CumSum", []Value{x, b.Int(axis)})
}

// ReduceSum sums over axes, which vanish.
func (b *Builder) ReduceSum(x Value, axes ...int) Value {
	return b.Op("ReduceSum", []Value{x, b.Ints(axes...)}, IntAttr("keepdims", 0))
}

// ReduceMean averages over axes, which vanish.
func (b *Builder) ReduceMean(x Value, axes ...int) Value {
	return b.Op("ReduceMean", []Value{x, b.Ints(axes...)}, IntAttr("keepdims", 0))
}

// Sigmoid is 1 / (1 + exp(-x)).
func (b *Builder) Sigmoid(x Value) Value { return b.Op("Sigmoid", []Value{x}) }

// Tanh is the hyperbolic tangent.
func (b *Builder) Tanh(x Value) Value { return b.Op("Tanh", []Value{x}) }

// Relu is max(x, 0).
func (b *Builder) Relu(x Value) Value { return b.Op("Relu", []Value{x}) }

// Gelu is x * Phi(x), exact by the error function.
func (b *Builder) Gelu(x Value) Value { return b.Op("Gelu", []Value{x}) }
