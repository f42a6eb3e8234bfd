//go:build !purego

#include "textflag.h"

// The order of the groups of four bytes behind two packings of the sums in Y0 to Y3.
DATA order<>+0(SB)/4, $0
DATA order<>+4(SB)/4, $4
DATA order<>+8(SB)/4, $1
DATA order<>+12(SB)/4, $5
DATA order<>+16(SB)/4, $2
DATA order<>+20(SB)/4, $6
DATA order<>+24(SB)/4, $3
DATA order<>+28(SB)/4, $7
GLOBL order<>(SB), RODATA|NOPTR, $32

// func sumRowsAVX2(dst, rows *byte, n int, k *int32, taps int)
//
// Thirty-two bytes of dst at a time, from 0 on, and the last thirty-two in the end; n is at least 32. Sums are in Y0 to Y3.
TEXT ·sumRowsAVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         rows+8(FP), SI
	MOVQ         n+16(FP), DX
	MOVQ         k+24(FP), R8
	MOVQ         taps+32(FP), R9
	MOVL         $0x200000, AX // half of what the shift takes away
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	VMOVDQU      order<>(SB), Y14
	XORQ         BX, BX

columns:
	LEAQ    (SI)(BX*1), R10
	MOVQ    R8, R11
	MOVQ    R9, CX
	VMOVDQA Y15, Y0
	VMOVDQA Y15, Y1
	VMOVDQA Y15, Y2
	VMOVDQA Y15, Y3

rows:
	VPBROADCASTD (R11), Y8
	VPMOVZXBD    (R10), Y4
	VPMOVZXBD    8(R10), Y5
	VPMOVZXBD    16(R10), Y6
	VPMOVZXBD    24(R10), Y7
	VPMULLD      Y8, Y4, Y4
	VPMULLD      Y8, Y5, Y5
	VPMULLD      Y8, Y6, Y6
	VPMULLD      Y8, Y7, Y7
	VPADDD       Y4, Y0, Y0
	VPADDD       Y5, Y1, Y1
	VPADDD       Y6, Y2, Y2
	VPADDD       Y7, Y3, Y3
	ADDQ         $4, R11
	ADDQ         DX, R10
	DECQ         CX
	JNZ          rows

	VPSRAD    $22, Y0, Y0
	VPSRAD    $22, Y1, Y1
	VPSRAD    $22, Y2, Y2
	VPSRAD    $22, Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKUSWB Y2, Y0, Y0
	VPERMD    Y0, Y14, Y0
	VMOVDQU   Y0, (DI)(BX*1)
	ADDQ      $32, BX
	CMPQ      BX, DX
	JGE       done
	LEAQ      -32(DX), R12
	CMPQ      BX, R12
	CMOVQGT   R12, BX
	JMP       columns

done:
	VZEROUPPER
	RET

// func pairAVX2(upper, lower *byte, src *[3]uint64, first, count *int, weight *int32, stride, outputs int)
//
// A pixel's six numbers, of both rows, are one vector (and eight bytes of the next pixel, which are not looked at). What is written to upper counts where lower is the same.
TEXT ·pairAVX2(SB), NOSPLIT, $0-64
	MOVQ         upper+0(FP), DI
	MOVQ         lower+8(FP), R8
	MOVQ         src+16(FP), SI
	MOVQ         first+24(FP), R9
	MOVQ         count+32(FP), R10
	MOVQ         weight+40(FP), R11
	MOVQ         stride+48(FP), R12
	MOVQ         outputs+56(FP), R13
	MOVL         $0x200000, AX // half of what the shift takes away
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15

output:
	MOVQ    (R9), AX
	LEAQ    (AX)(AX*2), AX
	LEAQ    (SI)(AX*8), AX
	MOVQ    R11, BX
	MOVQ    (R10), CX
	VMOVDQA Y15, Y0
	TESTQ   CX, CX
	JZ      sum

tap:
	VPBROADCASTD (BX), Y2
	VPMULLD      (AX), Y2, Y3
	VPADDD       Y3, Y0, Y0
	ADDQ         $4, BX
	ADDQ         $24, AX
	DECQ         CX
	JNZ          tap

sum:
	VPSRAD       $22, Y0, Y0
	VPACKSSDW    Y0, Y0, Y0
	VPACKUSWB    Y0, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVD        X0, AX // red of both rows, green of both
	VMOVD        X1, BX // blue of both
	MOVL         AX, CX
	SHRL         $8, CX
	MOVB         CX, (R8)
	SHRL         $16, CX
	MOVB         CX, 1(R8)
	MOVL         BX, CX
	SHRL         $8, CX
	MOVB         CX, 2(R8)
	MOVB         AX, (DI)
	SHRL         $16, AX
	MOVB         AX, 1(DI)
	MOVB         BX, 2(DI)
	ADDQ         $3, DI
	ADDQ         $3, R8
	ADDQ         $8, R9
	ADDQ         $8, R10
	LEAQ         (R11)(R12*4), R11
	DECQ         R13
	JNZ          output
	VZEROUPPER
	RET
