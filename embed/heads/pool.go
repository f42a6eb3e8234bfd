package heads

import (
	"fmt"
	"math"
)

// Pooling is how an item's steps become one vector.
type Pooling string

// The poolings. For pictures, mean and max are over the patches, without the class token at index 0.
const (
	Mean      Pooling = "mean"
	Max       Pooling = "max"
	CLS       Pooling = "cls"        // the class token: text and pictures
	FirstLast Pooling = "first_last" // the mean over the states behind the first layer and the last ones, each the mean over its steps
)

// Pool makes one vector, dst, of an item's own states [steps, len(dst)]. Sums are in float64. [FirstLast] is the mean of two such means.
func (p Pooling) Pool(dst []float64, states []float32) error {
	if len(states) < len(dst) || len(dst) == 0 || len(states)%len(dst) != 0 {
		return fmt.Errorf("pooling %s: %d values are not steps of %d", p, len(states), len(dst))
	}
	switch p {
	case Mean, FirstLast, "":
		mean(dst, states)
	case Max:
		maximum(dst, states)
	case CLS:
		firstStep(dst, states)
	default:
		return fmt.Errorf("pooling %q is not one of mean, max, cls, first_last", string(p))
	}
	return nil
}

// mean sums in float64 and divides by the number of steps.
func mean(dst []float64, states []float32) {
	clear(dst)
	for at := 0; at < len(states); at += len(dst) {
		for d, v := range states[at : at+len(dst)] {
			dst[d] += float64(v)
		}
	}
	n := float64(len(states) / len(dst))
	for d := range dst {
		dst[d] /= n
	}
}

func maximum(dst []float64, states []float32) {
	firstStep(dst, states)
	for at := len(dst); at < len(states); at += len(dst) {
		for d, v := range states[at : at+len(dst)] {
			dst[d] = max(dst[d], float64(v)) // NaN stays NaN
		}
	}
}

func firstStep(dst []float64, states []float32) {
	for d := range dst {
		dst[d] = float64(states[d])
	}
}

// Normalise scales a vector to length 1. The zero vector has no direction and stays as it is.
func Normalise(v []float64) {
	square := 0.0
	for _, x := range v {
		square += x * x
	}
	if square > 0 {
		scale := 1 / math.Sqrt(square)
		for d := range v {
			v[d] *= scale
		}
	}
}
