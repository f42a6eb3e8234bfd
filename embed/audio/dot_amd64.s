//go:build !purego

#include "textflag.h"

// REDUCE adds up four sums of eight lanes, those of Y0 to Y3 in their order, in the lowest lane of A. B, C and D are lost; AX is A's lower half, BX B's.
#define REDUCE(A, B, C, D, AX, BX) \
	VADDPS       B, A, A   \
	VADDPS       D, C, C   \
	VADDPS       C, A, A   \
	VEXTRACTF128 $1, A, BX \
	VADDPS       BX, AX, AX \
	VMOVHLPS     AX, AX, BX \
	VADDPS       BX, AX, AX \
	VMOVSHDUP    AX, BX    \
	VADDSS       BX, AX, AX

// func dotAVX2(x, h *float32, n int) float32
//
// Four sums of eight lanes; n is a multiple of 8.
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ   x+0(FP), SI
	MOVQ   h+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3

wide:
	CMPQ        CX, $32
	JLT         narrow
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, CX
	JMP         wide

narrow:
	CMPQ        CX, $8
	JLT         sum
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, CX
	JMP         narrow

sum:
	REDUCE(Y0, Y1, Y2, Y3, X0, X1)
	VZEROUPPER
	MOVSS X0, ret+24(FP)
	RET

// func dot3AVX2(x *float32, step int, h *float32, n int) (a, b, c float32)
//
// Three times dotAVX2 of one h, in the same order: the sums of a are in Y0 to Y3, those of b in Y4 to Y7, those of c in Y8 to Y11.
TEXT ·dot3AVX2(SB), NOSPLIT, $0-44
	MOVQ   x+0(FP), SI
	MOVQ   step+8(FP), R8
	MOVQ   h+16(FP), DI
	MOVQ   n+24(FP), CX
	LEAQ   (SI)(R8*4), R9
	LEAQ   (R9)(R8*4), R10
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

wide:
	CMPQ        CX, $32
	JLT         narrow
	VMOVUPS     (DI), Y12
	VMOVUPS     32(DI), Y13
	VMOVUPS     64(DI), Y14
	VMOVUPS     96(DI), Y15
	VFMADD231PS (SI), Y12, Y0
	VFMADD231PS 32(SI), Y13, Y1
	VFMADD231PS 64(SI), Y14, Y2
	VFMADD231PS 96(SI), Y15, Y3
	VFMADD231PS (R9), Y12, Y4
	VFMADD231PS 32(R9), Y13, Y5
	VFMADD231PS 64(R9), Y14, Y6
	VFMADD231PS 96(R9), Y15, Y7
	VFMADD231PS (R10), Y12, Y8
	VFMADD231PS 32(R10), Y13, Y9
	VFMADD231PS 64(R10), Y14, Y10
	VFMADD231PS 96(R10), Y15, Y11
	ADDQ        $128, DI
	ADDQ        $128, SI
	ADDQ        $128, R9
	ADDQ        $128, R10
	SUBQ        $32, CX
	JMP         wide

narrow:
	CMPQ        CX, $8
	JLT         sum
	VMOVUPS     (DI), Y12
	VFMADD231PS (SI), Y12, Y0
	VFMADD231PS (R9), Y12, Y4
	VFMADD231PS (R10), Y12, Y8
	ADDQ        $32, DI
	ADDQ        $32, SI
	ADDQ        $32, R9
	ADDQ        $32, R10
	SUBQ        $8, CX
	JMP         narrow

sum:
	REDUCE(Y0, Y1, Y2, Y3, X0, X1)
	REDUCE(Y4, Y5, Y6, Y7, X4, X5)
	REDUCE(Y8, Y9, Y10, Y11, X8, X9)
	VZEROUPPER
	MOVSS X0, a+32(FP)
	MOVSS X4, b+36(FP)
	MOVSS X8, c+40(FP)
	RET
