package jpeg

// The constants of libjpeg's reduced transforms (jidctred), in 13 bits.
const (
	red0211 = 1730
	red0509 = 4176
	red0601 = 4926
	red0720 = 5906
	red0765 = 6270
	red0850 = 6967
	red0899 = 7373
	red1061 = 8697
	red1272 = 10426
	red1451 = 11893
	red1847 = 15137
	red2172 = 17799
	red2562 = 20995
	red3624 = 29692
)

// inverseTo transforms a block to size x size samples, 8, 4, 2 or 1: the picture's 8 x 8 at a smaller scale. last is the place of its last
// coefficient in the order of transmission. It changes b.
func (b *block) inverseTo(size, last int, dst []byte, stride int) {
	switch {
	case last == 0 || size == 1:
		flat(b[0], dst, stride, size)
	case size == 4 && last < corner:
		b.inverse4Corner(dst, stride)
	case size == 4:
		b.inverse4(dst, stride)
	case size == 2:
		b.inverse2(dst, stride)
	case last < corner:
		b.inverseCorner(dst, stride)
	default:
		b.inverse(dst, stride)
	}
}

// inverse4 makes 4 x 4 samples. The fifth row and column of coefficients do not count.
func (b *block) inverse4(dst []byte, stride int) {
	for i := range 8 {
		if i == 4 {
			continue
		}
		c := (*[57]int32)(b[i:])
		if c[8]|c[16]|c[24]|c[40]|c[48]|c[56] == 0 {
			dc := c[0] << pass1Bits
			c[0], c[8], c[16], c[24] = dc, dc, dc, dc
			continue
		}
		const shift = shift1 + 1
		const round = 1 << (shift - 1)
		e0, e1, o0, o1 := halved(c[0], c[8], c[16], c[24], c[40], c[48], c[56])
		c[0], c[24] = (e0+o1+round)>>shift, (e0-o1+round)>>shift
		c[8], c[16] = (e1+o0+round)>>shift, (e1-o0+round)>>shift
	}
	for y := range 4 {
		r := (*[8]int32)(b[8*y:])
		const shift = shift2 + 1
		const round = 1<<(shift-1) + 128<<shift
		e0, e1, o0, o1 := halved(r[0], r[1], r[2], r[3], r[5], r[6], r[7])
		out := (*[4]byte)(dst[y*stride:])
		out[0], out[3] = clamp((e0+o1+round)>>shift), clamp((e0-o1+round)>>shift)
		out[1], out[2] = clamp((e1+o0+round)>>shift), clamp((e1-o0+round)>>shift)
	}
}

// inverse4Corner is inverse4 of a block that is zero outside of its upper left 4 x 4.
func (b *block) inverse4Corner(dst []byte, stride int) {
	for i := range 4 {
		c := (*[25]int32)(b[i:])
		const shift = shift1 + 1
		const round = 1 << (shift - 1)
		t, u := c[0]<<(constBits+1), c[16]*red1847
		o0, o1 := c[8]*red1061-c[24]*red2172, c[8]*red2562+c[24]*red0899
		e0, e1 := t+u+round, t-u+round
		c[0], c[24] = (e0+o1)>>shift, (e0-o1)>>shift
		c[8], c[16] = (e1+o0)>>shift, (e1-o0)>>shift
	}
	for y := range 4 {
		r := (*[4]int32)(b[8*y:])
		const shift = shift2 + 1
		const round = 1<<(shift-1) + 128<<shift
		t, u := r[0]<<(constBits+1), r[2]*red1847
		o0, o1 := r[1]*red1061-r[3]*red2172, r[1]*red2562+r[3]*red0899
		e0, e1 := t+u+round, t-u+round
		out := (*[4]byte)(dst[y*stride:])
		out[0], out[3] = clamp((e0+o1)>>shift), clamp((e0-o1)>>shift)
		out[1], out[2] = clamp((e1+o0)>>shift), clamp((e1-o0)>>shift)
	}
}

// halved is the one-dimensional transform to four, up to its last additions.
func halved(c0, c1, c2, c3, c5, c6, c7 int32) (e0, e1, o0, o1 int32) {
	t := c0 << (constBits + 1)
	u := c2*red1847 - c6*red0765
	return t + u, t - u,
		c5*red1451 - c7*red0211 - c3*red2172 + c1*red1061,
		c3*red0899 - c7*red0509 - c5*red0601 + c1*red2562
}

// inverse2 makes 2 x 2 samples. Of the even rows and columns the first alone counts.
func (b *block) inverse2(dst []byte, stride int) {
	for _, i := range [...]int{0, 1, 3, 5, 7} {
		c := (*[57]int32)(b[i:])
		const shift = shift1 + 2
		const round = 1 << (shift - 1)
		e, o := quartered(c[0], c[8], c[24], c[40], c[56])
		c[0], c[8] = (e+o+round)>>shift, (e-o+round)>>shift
	}
	for y := range 2 {
		r := (*[8]int32)(b[8*y:])
		const shift = shift2 + 2
		const round = 1<<(shift-1) + 128<<shift
		e, o := quartered(r[0], r[1], r[3], r[5], r[7])
		out := (*[2]byte)(dst[y*stride:])
		out[0], out[1] = clamp((e+o+round)>>shift), clamp((e-o+round)>>shift)
	}
}

// quartered is the one-dimensional transform to two, up to its last addition.
func quartered(c0, c1, c3, c5, c7 int32) (even, odd int32) {
	return c0 << (constBits + 2), c5*red0850 - c7*red0720 - c3*red1272 + c1*red3624
}
