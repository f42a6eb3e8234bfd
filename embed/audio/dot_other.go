//go:build !amd64 || purego

package audio

// dot is the inner product of two slices of equal length, a multiple of lanes.
func dot(x, h []float32) float32 { return dotPlain(x, h) }
