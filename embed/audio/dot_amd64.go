//go:build !purego

package audio

import "golang.org/x/sys/cpu"

//go:noescape
func dotAVX2(x, h *float32, n int) float32

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
