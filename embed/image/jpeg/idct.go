package jpeg

// block is 8 x 8 coefficients in natural order, row by row.
type block [64]int32

// natural maps the order of transmission (zigzag) to the place in a block.
var natural = [64]byte{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// corner is how many coefficients, in the order of transmission, lie in the upper left 4 x 4 of a block.
const corner = 10

// The constants of the Loeffler-Ligtenberg-Moschytz transform in 13 bits, as libjpeg's accurate integer method has them.
const (
	constBits = 13
	pass1Bits = 2

	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172
)

// The shifts of the two passes, and what is added before: half, and in the second the level shift.
const (
	shift1 = constBits - pass1Bits
	round1 = 1 << (shift1 - 1)
	shift2 = constBits + pass1Bits + 3
	round2 = 1<<(shift2-1) + 128<<shift2
)

// inverse transforms dequantised coefficients to 8 x 8 samples in dst, whose rows are stride apart. It changes b.
func (b *block) inverse(dst []byte, stride int) {
	for i := range 8 {
		c := (*[57]int32)(b[i:])
		var e0, e1, e2, e3, o0, o1, o2, o3 int32
		switch {
		case c[32]|c[40]|c[48]|c[56] != 0:
			e0, e1, e2, e3, o0, o1, o2, o3 = butterflies(c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56])
		case c[8]|c[16]|c[24] != 0:
			e0, e1, e2, e3, o0, o1, o2, o3 = butterflies4(c[0], c[8], c[16], c[24])
		default:
			dc := c[0] << pass1Bits
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = dc, dc, dc, dc, dc, dc, dc, dc
			continue
		}
		c[0], c[56] = (e0+o3+round1)>>shift1, (e0-o3+round1)>>shift1
		c[8], c[48] = (e1+o2+round1)>>shift1, (e1-o2+round1)>>shift1
		c[16], c[40] = (e2+o1+round1)>>shift1, (e2-o1+round1)>>shift1
		c[24], c[32] = (e3+o0+round1)>>shift1, (e3-o0+round1)>>shift1
	}
	for y := range 8 {
		r := (*[8]int32)(b[8*y:])
		var e0, e1, e2, e3, o0, o1, o2, o3 int32
		if r[4]|r[5]|r[6]|r[7] != 0 {
			e0, e1, e2, e3, o0, o1, o2, o3 = butterflies(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		} else {
			e0, e1, e2, e3, o0, o1, o2, o3 = butterflies4(r[0], r[1], r[2], r[3])
		}
		out := (*[8]byte)(dst[y*stride:])
		out[0], out[7] = clamp((e0+o3+round2)>>shift2), clamp((e0-o3+round2)>>shift2)
		out[1], out[6] = clamp((e1+o2+round2)>>shift2), clamp((e1-o2+round2)>>shift2)
		out[2], out[5] = clamp((e2+o1+round2)>>shift2), clamp((e2-o1+round2)>>shift2)
		out[3], out[4] = clamp((e3+o0+round2)>>shift2), clamp((e3-o0+round2)>>shift2)
	}
}

// inverseCorner is inverse of a block that is zero outside of its upper left 4 x 4.
func (b *block) inverseCorner(dst []byte, stride int) {
	for i := range 4 {
		c := (*[57]int32)(b[i:])
		e0, e1, e2, e3, o0, o1, o2, o3 := butterflies4(c[0], c[8], c[16], c[24])
		c[0], c[56] = (e0+o3+round1)>>shift1, (e0-o3+round1)>>shift1
		c[8], c[48] = (e1+o2+round1)>>shift1, (e1-o2+round1)>>shift1
		c[16], c[40] = (e2+o1+round1)>>shift1, (e2-o1+round1)>>shift1
		c[24], c[32] = (e3+o0+round1)>>shift1, (e3-o0+round1)>>shift1
	}
	for y := range 8 {
		r := (*[4]int32)(b[8*y:])
		e0, e1, e2, e3, o0, o1, o2, o3 := butterflies4(r[0], r[1], r[2], r[3])
		out := (*[8]byte)(dst[y*stride:])
		out[0], out[7] = clamp((e0+o3+round2)>>shift2), clamp((e0-o3+round2)>>shift2)
		out[1], out[6] = clamp((e1+o2+round2)>>shift2), clamp((e1-o2+round2)>>shift2)
		out[2], out[5] = clamp((e2+o1+round2)>>shift2), clamp((e2-o1+round2)>>shift2)
		out[3], out[4] = clamp((e3+o0+round2)>>shift2), clamp((e3-o0+round2)>>shift2)
	}
}

// butterflies is the one-dimensional transform up to its last additions: four even sums and four odd ones.
func butterflies(c0, c1, c2, c3, c4, c5, c6, c7 int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	z1 := (c2 + c6) * fix0541
	t2, t3 := z1-c6*fix1847, z1+c2*fix0765
	t0, t1 := (c0+c4)<<constBits, (c0-c4)<<constBits
	e0, e3, e1, e2 = t0+t3, t0-t3, t1+t2, t1-t2

	z1, z2, z3, z4 := c7+c1, c5+c3, c7+c3, c5+c1
	z5 := (z3 + z4) * fix1175
	z1, z2 = -z1*fix0899, -z2*fix2562
	z3, z4 = z5-z3*fix1961, z5-z4*fix0390
	o0 = c7*fix0298 + z1 + z3
	o1 = c5*fix2053 + z2 + z4
	o2 = c3*fix3072 + z2 + z3
	o3 = c1*fix1501 + z1 + z4
	return e0, e1, e2, e3, o0, o1, o2, o3
}

// butterflies4 is butterflies with c4 to c7 zero, its constants added up; as integers the results are the same. It is small enough to be inlined.
func butterflies4(c0, c1, c2, c3 int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	t := c0 << constBits
	t2, t3 := c2*fix0541, c2*(fix0541+fix0765)
	return t + t3, t + t2, t - t2, t - t3,
		c1*(fix1175-fix0899) + c3*(fix1175-fix1961),
		c1*(fix1175-fix0390) + c3*(fix1175-fix2562),
		c1*fix1175 + c3*(fix3072-fix2562+fix1175-fix1961),
		c1*(fix1501-fix0899+fix1175-fix0390) + c3*fix1175
}

// flat is inverse of a block that has nothing but a constant; the block has size x size samples, 1, 2, 4 or 8.
func flat(dc int32, dst []byte, stride, size int) {
	v := clamp((dc<<pass1Bits+1<<(pass1Bits+2))>>(pass1Bits+3) + 128)
	for y := range size {
		row := dst[y*stride:][:size]
		for x := range row {
			row[x] = v
		}
	}
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}
