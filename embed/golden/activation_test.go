package golden_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/onnx"
)

// Every activation function equals its published formula, evaluated in float64.
func TestActivationsEqualTheirFormulas(t *testing.T) {
	gelu := func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
	tanhGelu := func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	silu := func(x float64) float64 { return x * sigmoid(x) }
	relu := func(x float64) float64 { return math.Max(x, 0) }
	for name, f := range map[string]func(float64) float64{
		"gelu": gelu, "gelu_python": gelu,
		"gelu_new": tanhGelu, "gelu_fast": tanhGelu, "gelu_pytorch_tanh": tanhGelu, "gelu_accurate": tanhGelu,
		"gelu_10":    func(x float64) float64 { return min(max(gelu(x), -10), 10) },
		"quick_gelu": func(x float64) float64 { return x * sigmoid(1.702*x) },
		"relu":       relu,
		"relu2":      func(x float64) float64 { return relu(x) * relu(x) },
		"relu6":      func(x float64) float64 { return min(relu(x), 6) },
		"leaky_relu": func(x float64) float64 { return max(x, 0.01*x) },
		"silu":       silu, "swish": silu,
		"mish":    func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) },
		"laplace": func(x float64) float64 { return 0.5 * (1 + math.Erf((x-0.707107)/(0.282095*math.Sqrt2))) },
		"sigmoid": sigmoid,
		"tanh":    math.Tanh,
		"linear":  func(x float64) float64 { return x },
	} {
		t.Run(name, func(t *testing.T) {
			b := onnx.NewBuilder(name)
			y, err := b.Activation(name, b.Input("x", onnx.Float32, onnx.Dyn("n")))
			if err != nil {
				t.Fatal(err)
			}
			b.Output("y", y, onnx.Float32, onnx.Dyn("n"))
			x := embed.Tensor{Name: "x", Shape: []int64{481}}
			for i := range 481 {
				x.F32 = append(x.F32, float32(i-240)/20) // -12 to 12
			}
			out := run(t, load(t, b), []embed.Tensor{x})
			for i, v := range x.F32 {
				got, want := float64(out.Tensors[0].F32[i]), f(float64(v))
				if !(math.Abs(got-want) <= 2e-6*(1+math.Abs(want))) {
					t.Fatalf("%s(%v) = %v, want %v", name, v, got, want)
				}
			}
		})
	}
}

// load writes a graph and opens it.
func load(t *testing.T, b *onnx.Builder) *ortsession.Session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "g.onnx")
	data, err := os.Create(filepath.Join(filepath.Dir(path), "g.bin"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Write(data, "g.bin", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, m, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := ortsession.Open(t.Context(), model.Graph{Path: path}, ortsession.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
