package resize

import (
	"fmt"
	"math"
)

// Filter chooses the kernel. The numbers are Pillow's, and those of "resample" in preprocessor_config.json.
type Filter int

// The filters, with their support in source pixels at scale 1.
const (
	Nearest  Filter = 0 // no kernel
	Lanczos  Filter = 1 // 3
	Bilinear Filter = 2 // 1
	Bicubic  Filter = 3 // 2, a = -0.5
	Box      Filter = 4 // 0.5
	Hamming  Filter = 5 // 1
)

// Filters lists every filter.
func Filters() []Filter { return []Filter{Nearest, Lanczos, Bilinear, Bicubic, Box, Hamming} }

// String is Pillow's name of the filter, in lower case.
func (f Filter) String() string {
	switch f {
	case Nearest:
		return "nearest"
	case Lanczos:
		return "lanczos"
	case Bilinear:
		return "bilinear"
	case Bicubic:
		return "bicubic"
	case Box:
		return "box"
	case Hamming:
		return "hamming"
	}
	return fmt.Sprintf("filter(%d)", int(f))
}

// Valid says whether f is one of the six.
func (f Filter) Valid() bool { return f >= Nearest && f <= Hamming }

// kernel gives the filter's weight function and its support. Nearest has none.
func (f Filter) kernel() (weight func(x float64) float64, support float64) {
	switch f {
	case Lanczos:
		return lanczos, 3
	case Bilinear:
		return bilinear, 1
	case Bicubic:
		return bicubic, 2
	case Box:
		return box, 0.5
	case Hamming:
		return hamming, 1
	}
	panic("resize: " + f.String() + " has no kernel")
}

// The conversions to float64 in the middle of expressions forbid fused multiply-add, which some processors have and which
// would round differently.

func box(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func bilinear(x float64) float64 {
	x = math.Abs(x)
	if x < 1 {
		return 1 - x
	}
	return 0
}

func hamming(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x == 0:
		return 1
	case x >= 1:
		return 0
	}
	x *= math.Pi
	// Pillow writes these two constants in single precision.
	return math.Sin(x) / x * (float64(float32(0.54)) + float64(float64(float32(0.46))*math.Cos(x)))
}

func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if x >= -3 && x < 3 {
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}
