package main

// registers are what CPUID gives.
type registers struct{ a, b, c, d uint32 }

// cpuid asks this processor. It is in cpuid_linux_amd64.s.
func cpuid(leaf, sub uint32) registers

// hidden are bits of CPUID's answers for what comes after AVX2 and FMA, by leaf and sub-leaf (Intel's manual, volume 2A, CPUID).
var hidden = map[[2]uint32]registers{
	{7, 0}: {
		b: 1<<16 | 1<<17 | 1<<21 | 1<<26 | 1<<27 | 1<<28 | 1<<30 | 1<<31, // AVX-512: F, DQ, IFMA, PF, ER, CD, BW, VL
		c: 1<<1 | 1<<6 | 1<<11 | 1<<12 | 1<<14,                           // VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ
		d: 1<<2 | 1<<3 | 1<<8 | 1<<22 | 1<<23 | 1<<24 | 1<<25,            // 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8
	},
	{7, 1}: {
		a: 1<<4 | 1<<5 | 1<<21 | 1<<23,        // AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA
		d: 1<<4 | 1<<5 | 1<<8 | 1<<10 | 1<<19, // AVX-VNNI-INT8, AVX-NE-CONVERT, AMX-COMPLEX, AVX-VNNI-INT16, AVX10
	},
}

// without is an answer with these bits cleared.
func without(leaf, sub uint32, r registers) registers {
	h := hidden[[2]uint32{leaf, sub}]
	return registers{r.a &^ h.a, r.b &^ h.b, r.c &^ h.c, r.d &^ h.d}
}
