package graph

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

// Weights of any size are within half a step of their row, in bytes that every processor writes.
func TestWeightsInWholeNumbersOfAnySize(t *testing.T) {
	nan, inf, least := float32(math.NaN()), float32(math.Inf(1)), float32(math.SmallestNonzeroFloat32)
	for _, c := range []struct {
		name string
		row  []float32
		want []int8
	}{
		{"zeros", []float32{0, 0, 0}, []int8{0, 0, 0}},
		{"ordinary", []float32{64, -64, 31.4}, []int8{64, -64, 31}},
		{"the largest there are", []float32{math.MaxFloat32, -math.MaxFloat32, math.MaxFloat32 / 2}, []int8{64, -64, 32}},
		{"one much larger than the others", []float32{1e30, 1, -1}, []int8{64, 0, 0}},
		{"the least there is", []float32{least, -least, 0}, []int8{0, 0, 0}},
		{"so small that the step is rounded", []float32{95 * least, -95 * least, least}, []int8{95, -95, 1}},
		{"not a number", []float32{nan, 1, 2}, []int8{0, 0, 0}},
		{"infinite", []float32{inf, -inf, 2}, []int8{0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := slices.Concat(c.row, []float32{1, 0, -1})
			m := matrix{"w", 2, 3, nil, func() []float32 { return slices.Clone(rows) }}
			scale := rowScales(m.values(), m.in)
			var b bytes.Buffer
			if n, err := (&int8Data{m, scale}).WriteTo(&b); err != nil || n != 6 {
				t.Fatal(n, err)
			}
			var got []int8
			for i := range 3 {
				got = append(got, int8(b.Bytes()[2*i]))
				if beside := int8(b.Bytes()[2*i+1]); beside != int8(64-64*i) {
					t.Errorf("the row beside it has %d at %d", beside, i)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			var none bool
			for _, v := range c.row {
				none = none || math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)
			}
			if s := float64(scale[0]); none != (math.IsNaN(s) || math.IsInf(s, 0)) {
				t.Errorf("scale %v", s)
			}
		})
	}
}
