package heads

import (
	"iter"
	"math"
)

// ClassRows gives the class of each pixel of a picture, one row after the other, by logits [classes, h, w]: the logits are resized to the
// picture, bilinearly with pixel centres aligned, and the largest wins, the first of equals. A row is valid until the next one.
func ClassRows(logits []float32, h, w, pictureH, pictureW int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		classes := len(logits) / (h * w)
		ys, xs := taps(h, pictureH), taps(w, pictureW)
		// The two rows of logits around the current one, resized in width: consecutive rows of the picture share them.
		top, low := wide{at: -1, values: make([]float32, classes*pictureW)}, wide{at: -1, values: make([]float32, classes*pictureW)}
		row, best := make([]int, pictureW), make([]float32, pictureW)
		for _, y := range ys {
			if y.a == low.at {
				top, low = low, top
			}
			top.fill(logits, h, w, y.a, xs)
			low.fill(logits, h, w, y.b, xs)
			for x := range best {
				best[x], row[x] = float32(math.Inf(-1)), 0
			}
			for c := range classes {
				t, l := top.values[c*pictureW:(c+1)*pictureW], low.values[c*pictureW:(c+1)*pictureW]
				for x := range best {
					if v := t[x]*(1-y.f) + l[x]*y.f; v > best[x] {
						best[x], row[x] = v, c
					}
				}
			}
			if !yield(row) {
				return
			}
		}
	}
}

// wide is one row of all classes' logits at the picture's width.
type wide struct {
	at     int // row of the logits
	values []float32
}

func (r *wide) fill(logits []float32, h, w, at int, xs []tap) {
	if r.at == at {
		return
	}
	r.at = at
	for c := range len(logits) / (h * w) {
		from, to := logits[(c*h+at)*w:(c*h+at+1)*w], r.values[c*len(xs):(c+1)*len(xs)]
		for i, x := range xs {
			to[i] = from[x.a]*(1-x.f) + from[x.b]*x.f
		}
	}
}

// tap is where a resized value comes from: (1-f) of a and f of b.
type tap struct {
	a, b int
	f    float32
}

// taps are those of n values resized to m.
func taps(n, m int) []tap {
	out := make([]tap, m)
	scale := float32(n) / float32(m)
	for i := range out {
		at := max(scale*(float32(i)+0.5)-0.5, 0)
		a := min(int(at), n-1)
		out[i] = tap{a, min(a+1, n-1), at - float32(a)}
	}
	return out
}
