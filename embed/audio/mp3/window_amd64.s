//go:build !purego

#include "textflag.h"

// func windowAVX2(out *[32]float32, v *[16][64]float32, w *[16][32]float32)
//
// Two rows of v and w at a time, from the last of v on: the sums of the first halves are in Y0 to Y3, those of the second in Y4 to Y7.
TEXT ·windowAVX2(SB), NOSPLIT, $0-24
	MOVQ   out+0(FP), DX
	MOVQ   v+8(FP), SI
	MOVQ   w+16(FP), DI
	ADDQ   $3840, SI // row 15
	MOVQ   $8, CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

rows:
	VMOVUPS     (SI), Y8
	VMOVUPS     32(SI), Y9
	VMOVUPS     64(SI), Y10
	VMOVUPS     96(SI), Y11
	VFMADD231PS (DI), Y8, Y0
	VFMADD231PS 32(DI), Y9, Y1
	VFMADD231PS 64(DI), Y10, Y2
	VFMADD231PS 96(DI), Y11, Y3
	VMOVUPS     -128(SI), Y12 // the second half of the row before
	VMOVUPS     -96(SI), Y13
	VMOVUPS     -64(SI), Y14
	VMOVUPS     -32(SI), Y15
	VFMADD231PS 128(DI), Y12, Y4
	VFMADD231PS 160(DI), Y13, Y5
	VFMADD231PS 192(DI), Y14, Y6
	VFMADD231PS 224(DI), Y15, Y7
	SUBQ        $512, SI
	ADDQ        $256, DI
	DECQ        CX
	JNZ         rows

	VADDPS  Y4, Y0, Y0
	VADDPS  Y5, Y1, Y1
	VADDPS  Y6, Y2, Y2
	VADDPS  Y7, Y3, Y3
	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	VMOVUPS Y2, 64(DX)
	VMOVUPS Y3, 96(DX)
	VZEROUPPER
	RET
