// Package float16 converts between float32 and IEEE 754 binary16, the half precision of checkpoints, graphs and vectors.
//
// Eleven bits of fraction are kept of a normal number, and everything from 65520 on is infinite: [Fits] tells of it, because what is infinite in half
// precision comes out of a graph as NaN.
package float16

import "math"

// Largest is the largest finite number.
const Largest = 65504

// Fits says whether x has a finite neighbour in half precision. What is no number has none.
func Fits(x float64) bool { return math.Abs(x) < Largest+16 } // half of a unit in the last place above rounds to infinity

// Bits is the nearest number, the even one of two as near; an infinity for what does not fit, and NaN for NaN.
func Bits(x float64) uint16 {
	bits := uint16(0)
	if math.Signbit(x) {
		bits, x = 1<<15, -x
	}
	const infinite, smallest = 0x1f << 10, 1.0 / (1 << 14) // smallest of the normal numbers
	switch {
	case math.IsNaN(x):
		return infinite | 1<<9
	case !Fits(x):
		return bits | infinite
	case x < smallest:
		return bits | uint16(math.RoundToEven(x*(1<<24))) // a carry into the exponent is the smallest normal number
	}
	fraction, exponent := math.Frexp(x) // 0.5 <= fraction < 1
	steps := uint16(math.RoundToEven(fraction * (1 << 11)))
	return bits | (uint16(exponent+13)<<10 + steps) // the leading bit of steps adds 1 to the exponent, and so does a carry
}

// Float is the number of these bits; subnormals, infinities and NaN included. It is exact.
func Float(bits uint16) float32 {
	sign := uint32(bits>>15) << 31
	exp := uint32(bits>>10) & 0x1f
	frac := uint32(bits) & 0x3ff
	switch exp {
	case 0:
		v := float32(frac) * 0x1p-24 // exact: 10 bits times a power of two
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
