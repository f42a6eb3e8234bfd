//go:build !purego

package mp3

import "golang.org/x/sys/cpu"

//go:noescape
func windowAVX2(out *[subbands]float32, v *[16][64]float32, w *[16][subbands]float32)

var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// windowed is windowedPlain by vector instructions, where the processor has them.
func windowed(out *[subbands]float32, v *[16][64]float32) {
	if !hasAVX2 {
		windowedPlain(out, v)
		return
	}
	windowAVX2(out, v, &window)
}
