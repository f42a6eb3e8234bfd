//go:build !amd64 || purego

package mp3

func windowed(out *[subbands]float32, v *[16][64]float32) { windowedPlain(out, v) }
