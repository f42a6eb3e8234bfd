package tasks

import (
	"errors"
	"fmt"
	"math"
)

// errNotFinite is what a result with NaN or infinite scores is refused with: JSON has neither.
var errNotFinite = errors.New("the model's output is not a finite number")

// Function turns logits into scores.
type Function string

// The functions, by the names of the pipelines' function_to_apply.
const (
	Softmax Function = "softmax"
	Sigmoid Function = "sigmoid"
	None    Function = "none"
)

// Apply gives the scores of logits.
func (f Function) Apply(logits []float32) ([]float64, error) {
	scores := make([]float64, len(logits))
	switch f {
	case Softmax:
		top, sum := math.Inf(-1), 0.0
		for _, v := range logits {
			top = max(top, float64(v))
		}
		for i, v := range logits {
			scores[i] = math.Exp(float64(v) - top)
			sum += scores[i]
		}
		for i := range scores {
			scores[i] /= sum
		}
	case Sigmoid:
		for i, v := range logits {
			scores[i] = 1 / (1 + math.Exp(-float64(v)))
		}
	case None:
		for i, v := range logits {
			scores[i] = float64(v)
		}
	default:
		return nil, fmt.Errorf("function_to_apply %q is not one of softmax, sigmoid, none", f)
	}
	for _, s := range scores {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			return nil, errNotFinite
		}
	}
	return scores, nil
}

// argmax is the place of the largest value, the first of equals.
func argmax[T float32 | float64](v []T) int {
	at := 0
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}

// rows cuts a matrix of the given width.
func rows(values []float32, width int) [][]float32 {
	var out [][]float32
	for at := 0; at+width <= len(values); at += width {
		out = append(out, values[at:at+width])
	}
	return out
}
