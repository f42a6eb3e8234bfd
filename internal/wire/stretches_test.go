package wire

import (
	"math/rand/v2"
	"testing"

	"vecmill/schemas"
)

// TestStretchesAreSetsOfOffsets compares them with sets that have every offset by itself.
func TestStretchesAreSetsOfOffsets(t *testing.T) {
	const most = 24
	r := rand.New(rand.NewPCG(3, 5))
	in := schemas.Span{First: 3, Next: most - 2}
	draw := func() (s stretches, set [most]bool) {
		var spans []schemas.Span
		for range r.IntN(6) {
			first := r.Int64N(most)
			x := schemas.Span{First: first, Next: first + r.Int64N(most-first)}
			spans = append(spans, x)
			for o := max(x.First, in.First); o < min(x.Next, in.Next); o++ {
				set[o] = true
			}
		}
		return stretchesOf(in, spans...), set
	}
	for range 2000 {
		a, inA := draw()
		b, inB := draw()
		less := a.minus(b)
		for o := range int64(most) {
			if a.has(o) != inA[o] || less.has(o) != (inA[o] && !inB[o]) {
				t.Fatalf("offset %d: %v has it: %v, without %v: %v", o, a, a.has(o), b, less)
			}
		}
		for i, s := range less {
			if s.Len() <= 0 || i > 0 && less[i-1].Next >= s.First {
				t.Fatalf("%v without %v is %v", a, b, less)
			}
		}
	}
}
