package arrowrow

import "math"

// widen is a half as a float32, exactly. The Arrow library's own conversion makes the smallest halves (below 2^-14, which are not rare in a vector of
// length 1) smaller by far.
func widen(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h&0x3ff)
	switch exp {
	case 0:
		v := math.Ldexp(float64(frac), -24)
		return math.Float32frombits(sign | math.Float32bits(float32(v)))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// narrow undoes widen. What no half is gives some half nearby.
func narrow(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, exp, frac := uint16(bits>>31)<<15, int(bits>>23&0xff)-127+15, uint16(bits>>13&0x3ff)
	switch {
	case exp >= 0x1f:
		if bits&0x7fffffff <= 0x7f800000 {
			frac = 0 // infinite, or too large
		}
		return sign | 0x7c00 | frac
	case exp > 0:
		return sign | uint16(exp)<<10 | frac
	}
	return sign | uint16(math.Ldexp(math.Abs(float64(f)), 24))
}
