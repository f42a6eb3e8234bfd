package float16_test

import (
	"math"
	"testing"

	"vecmill/model/float16"
)

// widened is the value of bits, by the standard's formula.
func widened(bits uint16) float64 {
	sign, exponent, fraction := 1.0, int(bits>>10&31), float64(bits&1023)
	if bits>>15 == 1 {
		sign = -1
	}
	if exponent == 0 {
		return sign * math.Ldexp(fraction, -24)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// TestHalfPrecisionRoundsToTheNearest goes through every finite number in half precision: it stays itself, and what lies between it and the next
// goes to the nearer, in the middle to the even one.
func TestHalfPrecisionRoundsToTheNearest(t *testing.T) {
	for bits := range uint16(0x7c00) {
		x := widened(bits)
		next := bits + 1
		if got := float16.Bits(x); got != bits {
			t.Fatalf("%g is %#04x, want %#04x", x, got, bits)
		}
		if got := float16.Bits(-x); got != bits|1<<15 && x != 0 {
			t.Fatalf("%g is %#04x", -x, got)
		}
		if next == 0x7c00 {
			break
		}
		y := widened(next)
		even := bits + bits&1
		for at, want := range map[float64]uint16{x + (y-x)*0.49: bits, x + (y-x)*0.51: next, (x + y) / 2: even} {
			if got := float16.Bits(at); got != want {
				t.Fatalf("%g between %g and %g is %#04x, want %#04x", at, x, y, got, want)
			}
		}
	}
}

func TestFloatIsTheNumberOfTheBits(t *testing.T) {
	for bits := range uint16(0x7c00) {
		if got := float16.Float(bits); float64(got) != widened(bits) {
			t.Fatalf("%#04x is %g, want %g", bits, got, widened(bits))
		}
		if got := float16.Float(bits | 1<<15); float64(got) != widened(bits|1<<15) || !math.Signbit(float64(got)) {
			t.Fatalf("%#04x is %g", bits|1<<15, got)
		}
	}
}

func TestWhatIsNoFiniteNumberStaysSo(t *testing.T) {
	inf := math.Inf(1)
	for x, want := range map[float64]uint16{inf: 0x7c00, -inf: 0xfc00, 65520: 0x7c00, -1e300: 0xfc00, 65519.9: 0x7bff} {
		if got := float16.Bits(x); got != want {
			t.Errorf("%g is %#04x, want %#04x", x, got, want)
		}
		if fits := want&0x7c00 != 0x7c00; float16.Fits(x) != fits {
			t.Errorf("%g fits: %t", x, !fits)
		}
	}
	if got := float16.Float(float16.Bits(math.NaN())); got == got {
		t.Errorf("NaN became %g", got)
	}
	if float16.Fits(math.NaN()) {
		t.Error("NaN fits")
	}
	if got := float16.Float(0xfc00); !math.IsInf(float64(got), -1) {
		t.Errorf("-Inf became %g", got)
	}
}
