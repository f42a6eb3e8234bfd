//go:build !purego

package audio

import "golang.org/x/sys/cpu"

//go:noescape
func dotAVX2(x, h *float32, n int) float32

//go:noescape
func dot3AVX2(x *float32, step int, h *float32, n int) (a, b, c float32)

var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// dot is the inner product of two slices of equal length, a multiple of lanes.
func dot(x, h []float32) float32 {
	if !hasAVX2 {
		return dotPlain(x, h)
	}
	h = h[:len(x)]
	if len(x) == 0 {
		return 0
	}
	return dotAVX2(&x[0], &h[0], len(x))
}

// dot3 is dot of h and as many samples of x from its beginning on, from step on, and from twice step on.
func dot3(x []float32, step int, h []float32) (a, b, c float32) {
	if !hasAVX2 {
		return dot3Plain(x, step, h)
	}
	if len(h) == 0 {
		return 0, 0, 0
	}
	x = x[:2*step+len(h)]
	return dot3AVX2(&x[0], step, &h[0], len(h))
}
