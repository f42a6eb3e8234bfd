package jsonrow

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// number64 and number32 are numbers that are null where they are not finite.
type (
	number64 float64
	number32 float32
)

// MarshalJSON writes the shortest number that reads back equal.
func (n number64) MarshalJSON() ([]byte, error) { return appendFloat(nil, float64(n), 64), nil }

// MarshalJSON writes the shortest number that reads back equal.
func (n number32) MarshalJSON() ([]byte, error) { return appendFloat(nil, float64(n), 32), nil }

func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}

// vector is a list of float32.
type vector []float32

// MarshalJSON writes the list.
func (v vector) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+12*len(v))
	for i, f := range v {
		b = appendFloat(append(b, separator(i)), float64(f), 32)
	}
	return append(b, ']'), nil
}

// halves is a list of float16, as bits.
type halves []uint16

// MarshalJSON writes the numbers.
func (h halves) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+12*len(h))
	for i, v := range h {
		b = appendFloat(append(b, separator(i)), float64(Float(v)), 32)
	}
	return append(b, ']'), nil
}

func separator(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

// UnmarshalJSON reads numbers that halves stand for.
func (h *halves) UnmarshalJSON(b []byte) error {
	var v []float32
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*h = make(halves, len(v))
	for i, f := range v {
		half, ok := halfOf(f)
		if !ok {
			return fmt.Errorf("vector_f16: %v is not a number of half precision", f)
		}
		(*h)[i] = half
	}
	return nil
}

// Float is the number that the bits of a half (IEEE 754 binary16) stand for.
func Float(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0: // zero, or a multiple of 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// halfOf is the half that stands for exactly f.
func halfOf(f float32) (uint16, bool) {
	bits := math.Float32bits(f)
	sign, exp, frac := uint16(bits>>16&0x8000), int(bits>>23&0xff)-127, bits&0x7fffff
	var h uint16
	switch {
	case exp >= -14 && exp <= 15:
		h = sign | uint16(exp+15)<<10 | uint16(frac>>13)
	case exp < -14: // zero, or below the normal numbers
		h = sign | uint16(math.Abs(float64(f))*(1<<24))
	default:
		return 0, false
	}
	return h, Float(h) == f
}
