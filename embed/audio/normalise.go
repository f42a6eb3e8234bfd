package audio

import "math"

// normalise shifts and scales x to zero mean and unit variance: (x-mean)/sqrt(var+1e-7) with the population's variance.
//
// Everything is float32 in the order in which numpy computes it, so the result is the reference's to the last bit; in
// float64 it would differ by 2e-4 where a large offset swamps the signal. The conversions keep the compiler from fusing products into
// sums.
func normalise(x []float32) {
	n := float32(len(x))
	mean := pairwise(x, func(v float32) float32 { return v }) / n
	variance := pairwise(x, func(v float32) float32 { return float32((v - mean) * (v - mean)) }) / n
	deviation := float32(math.Sqrt(float64(variance + 1e-7)))
	for i, v := range x {
		x[i] = (v - mean) / deviation
	}
}

// pairwise is numpy's sum of f over x: eight running sums in blocks of up to 128, blocks added up as a tree.
func pairwise(x []float32, f func(float32) float32) float32 {
	if len(x) < 8 {
		var s float32
		for _, v := range x {
			s += f(v)
		}
		return s
	}
	if len(x) > 128 {
		half := len(x) / 2
		half -= half % 8
		return pairwise(x[:half], f) + pairwise(x[half:], f)
	}
	var r [8]float32
	i := 0
	for ; i+8 <= len(x); i += 8 {
		for k, v := range x[i : i+8] {
			r[k] += f(v)
		}
	}
	s := ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
	for _, v := range x[i:] {
		s += f(v)
	}
	return s
}
