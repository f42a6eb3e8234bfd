package heads

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
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
		if got := halfBits(x); got != bits {
			t.Fatalf("%g is %#04x, want %#04x", x, got, bits)
		}
		if got := halfBits(-x); got != bits|1<<15 && x != 0 {
			t.Fatalf("%g is %#04x", -x, got)
		}
		if next == 0x7c00 {
			break
		}
		y := widened(next)
		even := bits + bits&1
		for at, want := range map[float64]uint16{x + (y-x)*0.49: bits, x + (y-x)*0.51: next, (x + y) / 2: even} {
			if got := halfBits(at); got != want {
				t.Fatalf("%g between %g and %g is %#04x, want %#04x", at, x, y, got, want)
			}
		}
	}
}

func TestVectorsTooLargeForHalfPrecisionAreErrors(t *testing.T) {
	f := form{half: true}
	for x, fits := range map[float64]bool{65504: true, 65519: true, 65520: false, -65520: false, 1e30: false} {
		p, err := f.payload([]float64{x})
		if (err == nil) != fits || fits && math.Abs(widened(p.Half[0])) != 65504 {
			t.Errorf("%g: %v, %v", x, p.Half, err)
		}
	}
	if _, err := f.payload([]float64{math.NaN()}); err == nil {
		t.Error("not a number passes")
	}
}

func TestNormaliseLeavesTheZeroVector(t *testing.T) {
	v := []float64{0, 0}
	Normalise(v)
	w := []float64{-3, 4}
	Normalise(w)
	if v[0] != 0 || v[1] != 0 || math.Abs(w[0]+0.6) > 1e-15 || math.Abs(w[1]-0.8) > 1e-15 {
		t.Errorf("%v, %v", v, w)
	}
}

// TestTheBestTokensAreThoseOfASort compares the short list with a stable sort, with many equal scores.
func TestTheBestTokensAreThoseOfASort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		logits := make([]float32, 1+r.IntN(60))
		for i := range logits {
			logits[i] = float32(r.IntN(6))
		}
		var want []TokenScore
		for id, p := range softmax(logits) {
			want = append(want, TokenScore{int32(id), p})
		}
		slices.SortStableFunc(want, func(a, b TokenScore) int { return cmp.Compare(b.Score, a.Score) })
		k := r.IntN(70)
		got, err := BestTokens(logits, k, nil)
		if err != nil || !slices.Equal(got, want[:min(k, len(want))]) {
			t.Fatalf("%d of %v: %v, %v, want %v", k, logits, got, err, want)
		}
	}
	if _, err := BestTokens([]float32{1, 2}, 1, []int32{2}); err == nil {
		t.Error("a target outside the vocabulary is accepted")
	}
}

// TestClassPicturesReadBack reads what classPNG wrote with the standard library.
func TestClassPicturesReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct{ width, height, classes int }{{1, 1, 1}, {7, 5, 256}, {300, 2, 257}, {40, 30, 1000}} {
		m := newClassPNG(c.width, c.height, c.classes)
		want := make([][]int, c.height)
		for y := range want {
			for range c.width {
				want[y] = append(want[y], r.IntN(c.classes))
			}
			m.add(want[y])
		}
		img, err := png.Decode(bytes.NewReader(m.bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds() != image.Rect(0, 0, c.width, c.height) {
			t.Errorf("%+v: %v", c, img.Bounds())
		}
		for y := range want {
			for x, class := range want[y] {
				got := -1
				switch v := img.At(x, y).(type) {
				case color.Gray:
					got = int(v.Y)
				case color.Gray16:
					got = int(v.Y)
				}
				if got != class {
					t.Fatalf("%+v: pixel %d, %d is %d, want %d", c, x, y, got, class)
				}
			}
		}
	}
}
