package tasks

import (
	"math"

	"vecmill/embed/heads"
)

// errNotFinite is what a result with NaN or infinite scores is refused with: JSON has neither.
var errNotFinite = heads.ErrNotFinite

// Function turns logits into scores; the heads for pipelines have it, too.
type Function = heads.Function

// The functions, by the names of the pipelines' function_to_apply.
const (
	Softmax = heads.Softmax
	Sigmoid = heads.Sigmoid
	None    = heads.None
)

// Finite gives numbers back if all of them are.
func Finite(all []float64) ([]float64, error) {
	for _, v := range all {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errNotFinite
		}
	}
	return all, nil
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
