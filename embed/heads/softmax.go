package heads

import (
	"errors"
	"math"
	"slices"
)

// ErrNotFinite is what outputs are refused with that hold NaN or infinities.
var ErrNotFinite = errors.New("the model's output is not a finite number")

// best gives the index of the largest logit, the first of equals, and its probability under softmax.
func best(logits []float32) (at int, p float64, err error) {
	for i, v := range logits {
		if v > logits[at] {
			at = i
		}
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(logits[at]))
	}
	if p = 1 / sum; !(p > 0) { // NaN compares false
		return 0, 0, ErrNotFinite
	}
	return at, p, nil
}

// softmax gives the probabilities of logits.
func softmax(logits []float32) []float64 {
	top := math.Inf(-1)
	for _, v := range logits {
		top = max(top, float64(v))
	}
	p, sum := make([]float64, len(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v) - top) // at most 1: never overflows
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// finite says whether all scores are numbers.
func finite(scores []float64) bool {
	return !slices.ContainsFunc(scores, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

// argmax is the place of the largest value, the first of equals.
func argmax(v []float64) int {
	at := 0
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}

// sigmoid gives the probability of each logit by itself.
func sigmoid(logits []float32) []float64 {
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = 1 / (1 + math.Exp(-float64(v)))
	}
	return p
}

// identity gives the logits as they are.
func identity(logits []float32) []float64 {
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = float64(v)
	}
	return p
}
