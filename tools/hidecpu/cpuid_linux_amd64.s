#include "textflag.h"

// func cpuid(leaf, sub uint32) registers
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, ret_a+8(FP)
	MOVL BX, ret_b+12(FP)
	MOVL CX, ret_c+16(FP)
	MOVL DX, ret_d+20(FP)
	RET
