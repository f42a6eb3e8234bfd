package beam

import (
	"errors"
	"math"
)

// smallestP is what probabilities are raised to before their logarithm is taken.
const smallestP = 1e-15

var errNotFinite = errors.New("the logits are not finite numbers")

// logProbs gives the logarithms of the rows' probabilities in float32, in numpy's order of summing, so that they are the reference's but for the
// rounding of exp and log. Rows whose sums are 1 on average are taken for probabilities, as there.
func logProbs(logits []float32, width int) ([]float32, error) {
	frames := len(logits) / width
	sums := make([]float32, frames)
	for f := range sums {
		sums[f] = pairwise(logits[f*width : (f+1)*width])
		if v := float64(sums[f]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errNotFinite
		}
	}
	out := make([]float32, len(logits))
	if mean := float64(pairwise(sums) / float32(frames)); math.Abs(mean-1) <= 1e-9*math.Max(math.Abs(mean), 1) {
		for i, v := range logits {
			out[i] = float32(math.Log(math.Min(math.Max(float64(v), smallestP), 1)))
		}
		return out, nil
	}
	floor := float32(math.Log(smallestP))
	scratch := make([]float32, width)
	for f := range frames {
		row := logits[f*width : (f+1)*width]
		top := row[0]
		for _, v := range row {
			top = max(top, v)
		}
		for i, v := range row {
			scratch[i] = float32(math.Exp(float64(v - top)))
		}
		sum := float32(math.Log(float64(pairwise(scratch))))
		for i, v := range row {
			out[f*width+i] = min(max((v-top)-sum, floor), 0)
		}
	}
	return out, nil
}

// pairwise is numpy's sum: eight running sums in blocks of up to 128, blocks added up as a tree.
func pairwise(x []float32) float32 {
	if len(x) < 8 {
		var s float32
		for _, v := range x {
			s += v
		}
		return s
	}
	if len(x) > 128 {
		half := len(x) / 2
		half -= half % 8
		return pairwise(x[:half]) + pairwise(x[half:])
	}
	var r [8]float32
	i := 0
	for ; i+8 <= len(x); i += 8 {
		for k, v := range x[i : i+8] {
			r[k] += v
		}
	}
	s := ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
	for _, v := range x[i:] {
		s += v
	}
	return s
}
