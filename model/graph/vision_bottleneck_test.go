package graph

import (
	"math"
	"testing"

	"vecmill/model/config"
)

// A kernel of three taps on a resized row is the sum of what each tap of the row itself gives, put in its place.
func TestTapsOfAResizedRow(t *testing.T) {
	kernel := []float32{2, -3, 0.5}
	for _, size := range [][2]int{{1, 5}, {2, 3}, {2, 7}, {3, 7}, {6, 7}, {7, 28}, {5, 5}} {
		in, out := size[0], size[1]
		x := make([]float32, in)
		for i := range x {
			x[i] = float32(i*i) - 3
		}
		resized := bilinear(x, config.HW{H: 1, W: in}, config.HW{H: 1, W: out}, 1)
		want, got := make([]float32, out), make([]float32, out)
		for o := range want {
			for tap, k := range kernel {
				if at := o + tap - 1; at >= 0 && at < out {
					want[o] += k * resized[at]
				}
			}
		}
		resizedTaps(in, out, func(tap, i, o int, w float32) { got[o] += w * kernel[tap] * x[i] })
		for o := range want {
			if math.Abs(float64(got[o]-want[o])) > 1e-4 {
				t.Errorf("%d to %d places: %v, want %v", in, out, got, want)
				break
			}
		}
	}
}
