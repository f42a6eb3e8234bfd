package graph

import (
	"math"

	"vecmill/model/config"
)

// softmax of a few numbers, for folding.
func softmax(x []float32) []float32 {
	top := math.Inf(-1)
	for _, v := range x {
		top = math.Max(top, float64(v))
	}
	sum, out := 0.0, make([]float32, len(x))
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	for i, v := range x {
		out[i] = float32(math.Exp(float64(v)-top) / sum)
	}
	return out
}

// foldBias makes the bias of attention scores, [heads, N, N] with N = 1 + patches of grid, from a table of
// (2Wh-1)(2Ww-1) + 3 rows of heads for the window the checkpoint was trained with. For another grid the first part is resized,
// bilinear; the last three rows are cls to patch, patch to cls, cls to cls.
//
// The reference reads the first part as [2*Ww-1, 2*Wh-1], width first, also where that is wrong (a window that is not square);
// it is resized even then, which mixes it. A checkpoint was trained with it that way, so it is done here, too.
func foldBias(table []float32, window, grid config.HW, heads int) []float32 {
	cells := (2*window.H - 1) * (2*window.W - 1)
	special := table[cells*heads:]
	read := config.HW{H: 2*window.W - 1, W: 2*window.H - 1}
	need := config.HW{H: 2*grid.H - 1, W: 2*grid.W - 1}
	plane := bilinear(table[:cells*heads], read, need, heads)
	tokens := 1 + grid.H*grid.W
	out := make([]float32, heads*tokens*tokens)
	for q := range tokens {
		for k := range tokens {
			row := special[2*heads:]
			switch {
			case q > 0 && k > 0:
				dy := (q-1)/grid.W - (k-1)/grid.W + grid.H - 1
				dx := (q-1)%grid.W - (k-1)%grid.W + grid.W - 1
				row = plane[(dy*need.W+dx)*heads:]
			case q > 0:
				row = special[heads:]
			case k > 0:
				row = special
			}
			for h := range heads {
				out[(h*tokens+q)*tokens+k] = row[h]
			}
		}
	}
	return out
}

// bilinear resizes x [from.H, from.W, depth] as torch does with align_corners False: source = (i+0.5)*scale - 0.5, not below 0.
func bilinear(x []float32, from, to config.HW, depth int) []float32 {
	if from == to {
		return x
	}
	return resize(x, from, to, depth, linearTaps)
}

// linearTaps gives the two places of in, and their weights, of which place i of out is made.
func linearTaps(i, in, out int) ([]int, []float32) {
	src := max(0, (float32(i)+0.5)*(float32(in)/float32(out))-0.5)
	i0 := int(src)
	t := src - float32(i0)
	return []int{i0, min(i0+1, in-1)}, []float32{1 - t, t}
}

// bicubic resizes like torch with align_corners False: Keys' kernel with a = -0.75, borders repeated.
func bicubic(x []float32, from, to config.HW, depth int) []float32 {
	taps := func(i, in, out int) ([]int, []float32) {
		const a = -0.75
		src := (float32(i)+0.5)*(float32(in)/float32(out)) - 0.5
		floor := float32(math.Floor(float64(src)))
		t := src - floor
		near := func(d float32) float32 { return ((a+2)*d-(a+3))*d*d + 1 }
		far := func(d float32) float32 { return ((a*d-5*a)*d+8*a)*d - 4*a }
		index := make([]int, 4)
		for j := range index {
			index[j] = min(max(int(floor)-1+j, 0), in-1)
		}
		return index, []float32{far(t + 1), near(t), near(1 - t), far(2 - t)}
	}
	return resize(x, from, to, depth, taps)
}

// resize is a separable resize of x [from.H, from.W, depth]; taps gives, for an output place, source places and their weights.
func resize(x []float32, from, to config.HW, depth int, taps func(i, in, out int) ([]int, []float32)) []float32 {
	out := make([]float32, to.H*to.W*depth)
	for y := range to.H {
		ys, wy := taps(y, from.H, to.H)
		for c := range to.W {
			xs, wx := taps(c, from.W, to.W)
			dst := out[(y*to.W+c)*depth:][:depth]
			for i, sy := range ys {
				for j, sx := range xs {
					src, w := x[(sy*from.W+sx)*depth:][:depth], wy[i]*wx[j]
					for d := range dst {
						dst[d] += w * src[d]
					}
				}
			}
		}
	}
	return out
}

func intSqrt(n int) int { return int(math.Sqrt(float64(n))) }
