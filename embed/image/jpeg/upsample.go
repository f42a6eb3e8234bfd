package jpeg

// line gives the rows of one plane at the picture's full size.
type line struct {
	plane *plane
	h, v  int // how many pixels a sample covers
	fancy bool
	buf   []byte
	sums  []int32
	last  int // row that buf holds; -1 for none
}

func (l *line) prepare(p *plane, hmax, vmax, smallest int) {
	l.plane, l.h, l.v = p, hmax*smallest/(p.H*p.size), vmax*smallest/(p.V*p.size)
	// libjpeg smooths these ratios alone, leaves planes of one or two columns as they are, and smooths nothing at 1/8.
	switch {
	case smallest == 1:
		l.fancy = false
	case l.h == 2 && l.v <= 2:
		l.fancy = p.width > 2
	default:
		l.fancy = l.h == 1 && l.v == 2
	}
	l.buf = grow(l.buf, p.width*l.h)
	l.sums = grow(l.sums, p.width)
	l.last = -1
}

// whole says whether the plane has the picture's size.
func (l *line) whole() bool { return l.h == 1 && l.v == 1 }

// quarter says whether the plane has half the picture's size in both directions, and is smoothed.
func (l *line) quarter() bool { return l.h == 2 && l.v == 2 && l.fancy }

// samples is a row of real samples.
func (l *line) samples(y int) []byte {
	p := l.plane
	return p.samples[y*p.stride : y*p.stride+p.width]
}

// row gives row y of the picture, at least as wide as it; it is valid until the next call.
func (l *line) row(y int) []byte {
	sy := y / l.v
	if l.h == 1 && !l.fancy {
		return l.samples(sy)
	}
	switch {
	case !l.fancy:
		if l.last != sy {
			replicate(l.buf, l.samples(sy), l.h)
			l.last = sy
		}
	case l.v == 1:
		triangle(l.buf, l.samples(y))
	case l.h == 1:
		near, far := l.samples(sy), l.samples(l.neighbour(y))
		bias := int32(1 + y&1)
		for x := range l.buf {
			l.buf[x] = byte((3*int32(near[x]) + int32(far[x]) + bias) >> 2)
		}
	default:
		near, far := l.samples(sy), l.samples(l.neighbour(y))
		far = far[:len(near)]
		sums := l.sums[:len(near)]
		for x := range sums {
			sums[x] = 3*int32(near[x]) + int32(far[x])
		}
		triangleOfSums(l.buf, sums)
	}
	return l.buf
}

// neighbour is the second-nearest row of samples to row y of a plane of half height; the edges repeat.
func (l *line) neighbour(y int) int {
	n := y/2 - 1 + 2*(y&1)
	return min(max(n, 0), l.plane.height-1)
}

func replicate(dst, src []byte, n int) {
	for x, v := range src {
		for i := range n {
			dst[x*n+i] = v
		}
	}
}

// triangle doubles a row: each output is three parts of the nearer sample and one of the further; ties round by turns.
func triangle(dst, src []byte) {
	n := len(src)
	dst = dst[:2*n]
	dst[0] = src[0]
	for x := 1; x < n; x++ {
		a, b := int32(src[x-1]), int32(src[x])
		dst[2*x-1] = byte((3*a + b + 2) >> 2)
		dst[2*x] = byte((3*b + a + 1) >> 2)
	}
	dst[2*n-1] = src[n-1]
}

// triangleOfSums is triangle for the sums of two rows, which are four times as large.
func triangleOfSums(dst []byte, src []int32) {
	n := len(src)
	dst = dst[:2*n]
	a := src[0]
	dst[0] = byte((4*a + 8) >> 4)
	for x := 1; x < n; x++ {
		b := src[x]
		o := dst[2*x-1 : 2*x+1 : 2*x+1]
		o[0] = byte((3*a + b + 7) >> 4)
		o[1] = byte((3*b + a + 8) >> 4)
		a = b
	}
	dst[2*n-1] = byte((4*a + 7) >> 4)
}
