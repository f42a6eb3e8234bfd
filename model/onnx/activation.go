package onnx

import (
	"fmt"
	"math"
)

// Activation applies an activation function by its name in transformers (ACT2FN). Functions with parameters of their own
// and unknown names are errors.
func (b *Builder) Activation(name string, x Value) (Value, error) {
	switch name {
	case "gelu", "gelu_python":
		return b.Gelu(x), nil
	case "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_accurate": // one formula, four spellings
		return b.Op("Gelu", []Value{x}, StringAttr("approximate", "tanh")), nil
	case "gelu_10":
		return b.Op("Clip", []Value{b.Gelu(x), b.Scalar(-10), b.Scalar(10)}), nil
	case "quick_gelu":
		return b.Mul(x, b.Sigmoid(b.Mul(x, b.Scalar(1.702)))), nil
	case "relu":
		return b.Relu(x), nil
	case "relu2":
		r := b.Relu(x)
		return b.Mul(r, r), nil
	case "relu6":
		return b.Op("Clip", []Value{x, b.Scalar(0), b.Scalar(6)}), nil
	case "leaky_relu":
		return b.Op("LeakyRelu", []Value{x}, FloatAttr("alpha", 0.01)), nil
	case "silu", "swish":
		return b.Mul(x, b.Sigmoid(x)), nil
	case "mish":
		return b.Mul(x, b.Tanh(b.Op("Softplus", []Value{x}))), nil
	case "laplace":
		const mu, sigma = 0.707107, 0.282095
		z := b.Div(b.Sub(x, b.Scalar(mu)), b.Scalar(float32(sigma*math.Sqrt2)))
		return b.Mul(b.Add(b.Op("Erf", []Value{z}), b.Scalar(1)), b.Scalar(0.5)), nil
	case "sigmoid":
		return b.Sigmoid(x), nil
	case "tanh":
		return b.Tanh(x), nil
	case "linear":
		return x, nil
	}
	return Value{}, fmt.Errorf("the activation function %q is not supported", name)
}
