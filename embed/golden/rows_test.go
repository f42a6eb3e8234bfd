package golden_test

import (
	"bytes"
	"math"
	"os"
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

// AVX2 says by its value that the library has been told of a processor with AVX2, and of nothing newer (make test-avx2).
const avx2 = "VECMILL_AVX2"

// Weights have 7 bits since processors with AVX2 alone add two products of bytes in 16 bits: sums of the largest there are stay exact. With an eighth bit they are not on such a
// processor, by which it is known that its kernels are tested.
func TestSumsInWholeNumbersDoNotSaturate(t *testing.T) {
	for _, rows := range []int{1, 2, 33} {
		for _, weight := range []int8{64, -64} {
			if off := sumOfLargest(t, rows, weight); off > 1e-6 {
				t.Errorf("%d rows, weights of %d: %.2g off the exact sum", rows, weight, off)
			}
		}
	}
	if os.Getenv(avx2) == "" {
		return
	}
	if off := sumOfLargest(t, 33, 127); off < 0.1 {
		t.Errorf("weights of 127 are %.2g off: the kernels are not those of AVX2", off)
	}
}

// sumOfLargest multiplies rows of the largest bytes by weights of one size, and gives how far the sums are off, relatively.
func sumOfLargest(t *testing.T, rows int, weight int8) (off float64) {
	t.Helper()
	const in, out = 768, 64
	b := onnx.NewBuilder("rows")
	y := b.QuantisedMatMul(b.QuantiseRows(b.Input("x", onnx.Float32, onnx.Dyn("n"), onnx.Fixed(in))),
		b.Int8Weight("w", []int{in, out}, bytes.NewReader(bytes.Repeat([]byte{byte(weight)}, in*out))), b.Floats([]int{out}, slices.Repeat([]float32{1}, out)))
	b.Output("y", y, onnx.Float32, onnx.Dyn("n"), onnx.Fixed(out))
	x := embed.Tensor{Name: "x", Shape: []int64{int64(rows), in}, F32: slices.Repeat([]float32{127}, rows*in)} // each the row's largest: 127 steps of 1
	for _, got := range run(t, load(t, b), []embed.Tensor{x}).Tensors[0].F32 {
		want := 127 * float64(weight) * in
		off = max(off, math.Abs(float64(got)-want)/math.Abs(want))
	}
	return off
}
