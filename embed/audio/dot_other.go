//go:build !amd64 || purego

package audio

// dot is the inner product of two slices of equal length, a multiple of lanes.
func dot(x, h []float32) float32 { return dotPlain(x, h) }

// dot3 is dot of h and as many samples of x from its beginning on, from step on, and from twice step on.
func dot3(x []float32, step int, h []float32) (a, b, c float32) { return dot3Plain(x, step, h) }
