package golden_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/model/onnx"
)

// A row in whole numbers is near the row in single precision whatever its size, and what is no number stays none: heads refuse such output, and would
// take a row that has become finite for the model's word.
func TestRowsInWholeNumbersOfAnySize(t *testing.T) {
	const in, out = 32, 16
	weight := make([]byte, in*out)
	for i := range weight {
		weight[i] = byte(int8(i%129 - 64))
	}
	b := onnx.NewBuilder("rows")
	scales := slices.Repeat([]float32{0.01}, out)
	y := b.QuantisedMatMul(b.QuantiseRows(b.Input("x", onnx.Float32, onnx.Dyn("n"), onnx.Fixed(in))),
		b.Int8Weight("w", []int{in, out}, bytes.NewReader(weight)), b.Floats([]int{out}, scales))
	b.Output("y", y, onnx.Float32, onnx.Dyn("n"), onnx.Fixed(out))
	s := load(t, b)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name   string
		size   float32 // of the row
		odd    []float32
		finite bool
	}{
		{"zeros", 0, nil, true},
		{"ordinary", 1, nil, true},
		{"huge", 1e36, nil, true},
		{"small", 1e-20, nil, true},
		{"denormal", 1e-42, nil, true},
		{"one is not a number", 1, []float32{nan}, false},
		{"the last is not a number", 1, slices.Concat(make([]float32, in-1), []float32{nan}), false},
		{"none is a number", 1, slices.Repeat([]float32{nan}, in), false},
		{"infinite", 1, []float32{inf}, false},
		{"infinite below", 1, []float32{-inf}, false},
		{"infinite both ways", 1, []float32{-inf, inf}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := embed.Tensor{Name: "x", Shape: []int64{2, in}}
			for i := range 2 * in {
				x.F32 = append(x.F32, c.size*float32(math.Sin(float64(i))))
			}
			copy(x.F32, c.odd)
			got := run(t, s, []embed.Tensor{x}).Tensors[0].F32
			for j := range 2 * out {
				want, most := 0.0, 0.0
				for i := range in {
					v := float64(x.F32[j/out*in+i]) * 0.01
					want += v * float64(int8(weight[i*out+j%out]))
					most += math.Abs(v) * 64
				}
				g := float64(got[j])
				if math.IsNaN(g) || math.IsInf(g, 0) {
					if c.finite || j >= out {
						t.Fatalf("number %d is %v, want %v", j, g, want)
					}
					continue
				}
				if !c.finite && j < out {
					t.Fatalf("number %d of a row that is none is %v", j, g)
				}
				if !(math.Abs(g-want) <= 0.02*most+1e-28) {
					t.Fatalf("number %d is %v, want %v", j, g, want)
				}
			}
		})
	}
}
