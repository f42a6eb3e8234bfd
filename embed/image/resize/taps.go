package resize

import "math"

// precision is the number of fractional bits of a weight: 32 less 8 of a pixel, less 2 for the overshoot of the kernels.
const precision = 32 - 8 - 2

// unroll is how many taps are taken at a time. A stride is a multiple of it.
const unroll = 4

// taps are the weights of one axis: output i is the sum over j of weight[i*stride+j] times input first[i]+j, j < count[i]. Weights from count on are 0.
type taps struct {
	first, count []int
	weight       []int32
	stride       int
	scratch      []float64
}

// compute fills t for an axis of in pixels scaled to out, in buffers that it keeps.
func (t *taps) compute(in, out int, f Filter) {
	weight, support := f.kernel()
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support *= wide
	t.stride = (int(math.Ceil(support))*2 + 1 + unroll - 1) &^ (unroll - 1)
	t.first, t.count = grow(t.first, out), grow(t.count, out)
	t.weight = grow(t.weight, out*t.stride)
	t.scratch = grow(t.scratch, t.stride)
	inverse := 1 / wide
	for i := range out {
		center := float64((float64(i) + 0.5) * scale)
		lo := max(int(center-support+0.5), 0)
		n := min(int(center+support+0.5), in) - lo
		t.first[i], t.count[i] = lo, n
		k := t.scratch[:n]
		var sum float64
		for j := range k {
			k[j] = weight((float64(j+lo) - center + 0.5) * inverse)
			sum += k[j]
		}
		fixed := t.weight[i*t.stride : i*t.stride+n]
		for j := range k {
			if sum != 0 {
				k[j] /= sum
			}
			fixed[j] = toFixed(k[j])
		}
		clear(t.weight[i*t.stride+n : (i+1)*t.stride])
	}
}

// toFixed rounds half away from zero.
func toFixed(v float64) int32 {
	v = float64(v * (1 << precision))
	if v < 0 {
		return int32(-0.5 + v)
	}
	return int32(0.5 + v)
}

// rows is the range of inputs that the outputs look at.
func (t *taps) rows() (first, last int) {
	n := len(t.first) - 1
	return t.first[0], t.first[n] + t.count[n]
}

// grow gives a slice of length n, s itself if it is large enough; its contents are arbitrary.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// growPacked gives room for two packed rows of width pixels, and for the taps that are taken behind them.
func growPacked(s [][3]uint64, width int) [][3]uint64 { return grow(s, width+unroll-1) }
