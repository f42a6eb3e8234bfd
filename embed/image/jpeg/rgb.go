package jpeg

// A pixel on its way from YCbCr to RGB is three numbers in one word, so that one addition adds to all of them: red in bits 0 to 9, green in bits 28
// to 37 above its fraction of 16 bits, blue in bits 40 to 49. Each is 256 too large and so never negative: it is in range where its bit 8 is set and its bit 9 is not.
const (
	greenAt  = 28
	blueAt   = 40
	fraction = 16

	bias    = 256 | 256<<greenAt | 256<<blueAt
	outside = 768 | 768<<greenAt | 768<<blueAt // the bits that tell
	grey    = 1 | 1<<greenAt | 1<<blueAt       // times luma is what luma adds
)

// chromaTable is what each sample of each chroma plane adds, in libjpeg's 16-bit constants: red and blue rounded, green in fractions.
var chromaTable = makeChroma()

type chroma struct {
	cb, cr [256]uint64
}

func makeChroma() *chroma {
	const half = 1 << (fraction - 1)
	var t chroma
	for i := range 256 {
		x := int64(i) - 128
		// Sums of both are never negative where it matters; what one of them borrows the other's bias gives back.
		t.cr[i] = uint64((91881*x+half)>>fraction - 46802*x<<(greenAt-fraction))
		t.cb[i] = uint64((116130*x+half)>>fraction<<blueAt + (half-22554*x)<<(greenAt-fraction) + bias)
	}
	return &t
}

// saturated brings the three numbers into range, and clears what is not theirs.
func saturated(t uint64) uint64 {
	over := t >> 9 & grey
	keep := over | t>>8&grey // neither: less than 0
	return (t | (over<<8 - over)) & (keep<<8 - keep)
}

// fromYCbCr converts a row.
func fromYCbCr(dst, luma, cb, cr []byte) {
	t := chromaTable
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for i, l := range luma {
		c := uint64(l)*grey + t.cb[cb[i]] + t.cr[cr[i]]
		if (c^bias)&outside != 0 {
			c = saturated(c)
		}
		o := (*[3]byte)(dst[3*i:])
		o[0], o[1], o[2] = byte(c), byte(c>>greenAt), byte(c>>blueAt)
	}
}

// The lower bytes of both halves of a word.
const (
	lowByte  = 0xFF
	highByte = 0xFF << 32
)

// Pairs says which rows Pair takes: from, from+2, and so on. It is -1 where rows are as cheap one by one: two rows that have their chroma from
// the same samples are worth it.
func (p *Picture) Pairs() (from int) {
	if p.colour != colourYCbCr || !p.lines[0].whole() {
		return -1
	}
	switch cb, cr := &p.lines[1], &p.lines[2]; {
	case cb.whole() && cr.whole():
		return 0
	case cb.quarter() && cr.quarter():
		return 1
	}
	return -1
}

// Pair writes rows y and y+1 to dst, three words a pixel: the upper row in their lower halves, the lower row in their upper halves.
func (p *Picture) Pair(dst [][3]uint64, y int) {
	n := p.width
	luma, cb, cr := &p.lines[0], &p.lines[1], &p.lines[2]
	if cb.whole() {
		pairWhole(dst[:n], &[3][]byte{luma.samples(y)[:n], cb.samples(y)[:n], cr.samples(y)[:n]},
			&[3][]byte{luma.samples(y + 1)[:n], cb.samples(y + 1)[:n], cr.samples(y + 1)[:n]})
		return
	}
	p.words = grow(p.words, 2*len(cb.samples(0)))
	near, far := y/2, y/2+1
	smooth(p.words, cb.samples(near), cr.samples(near), cb.samples(far), cr.samples(far))
	pairSmooth(dst[:n], luma.samples(y)[:n], luma.samples(y + 1)[:n], p.words)
}

// pairWhole is Pair for chroma of the picture's size.
func pairWhole(dst [][3]uint64, upper, lower *[3][]byte) {
	t := chromaTable
	la := upper[0]
	ua, va := upper[1][:len(la)], upper[2][:len(la)]
	lb, ub, vb := lower[0][:len(la)], lower[1][:len(la)], lower[2][:len(la)]
	dst = dst[:len(la)]
	for i := range la {
		a := uint64(la[i])*grey + t.cb[ua[i]] + t.cr[va[i]]
		b := uint64(lb[i])*grey + t.cb[ub[i]] + t.cr[vb[i]]
		if ((a^bias)|(b^bias))&outside != 0 {
			a, b = saturated(a), saturated(b)
		}
		o := &dst[i]
		o[0] = a&lowByte | b<<32&highByte
		o[1] = a>>greenAt&lowByte | b<<(32-greenAt)&highByte
		o[2] = a>>blueAt&lowByte | b>>(blueAt-32)&highByte
	}
}

// pairSmooth is Pair for the chroma that smooth makes.
func pairSmooth(dst [][3]uint64, la, lb []byte, chroma []uint64) {
	t := chromaTable
	lb, chroma, dst = lb[:len(la)], chroma[:len(la)], dst[:len(la)]
	for i := range la {
		c := chroma[i]
		a := uint64(la[i])*grey + t.cb[byte(c)] + t.cr[byte(c>>16)]
		b := uint64(lb[i])*grey + t.cb[byte(c>>32)] + t.cr[byte(c>>48)]
		if ((a^bias)|(b^bias))&outside != 0 {
			a, b = saturated(a), saturated(b)
		}
		o := &dst[i]
		o[0] = a&lowByte | b<<32&highByte
		o[1] = a>>greenAt&lowByte | b<<(32-greenAt)&highByte
		o[2] = a>>blueAt&lowByte | b>>(blueAt-32)&highByte
	}
}

// smooth makes chroma of full width for the two rows of pixels between two rows of samples, of planes of half the size in both directions: triangle in
// both directions. Four numbers of 16 bits travel in a word, whose lower bytes count in the end: Cb and Cr of the upper row, Cb and Cr of the lower.
func smooth(dst []uint64, cb0, cr0, cb1, cr1 []byte) {
	const ones = 1 | 1<<16 | 1<<32 | 1<<48
	n := len(cb0)
	cr0, cb1, cr1, dst = cr0[:n], cb1[:n], cr1[:n], dst[:2*n]
	var last uint64
	for i := range n {
		// Three parts of the nearer row and one of the further.
		upper, lower := uint64(cb0[i])|uint64(cr0[i])<<16, uint64(cb1[i])|uint64(cr1[i])<<16
		this := 3*upper + lower | (3*lower+upper)<<32
		if i == 0 {
			dst[0] = (4*this + 8*ones) >> 4
		} else {
			o := (*[2]uint64)(dst[2*i-1:])
			o[0], o[1] = (3*last+this+7*ones)>>4, (3*this+last+8*ones)>>4
		}
		last = this
	}
	dst[2*n-1] = (4*last + 7*ones) >> 4
}
