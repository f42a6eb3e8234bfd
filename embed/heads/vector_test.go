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

func TestVectorsTooLargeForHalfPrecisionAreErrors(t *testing.T) {
	f := form{half: true}
	for x, fits := range map[float64]bool{65504: true, 65519: true, 65520: false, -65520: false, 1e30: false} {
		p, err := f.payload([]float64{x})
		if (err == nil) != fits || fits && p.Half[0]&0x7fff != 0x7bff {
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
