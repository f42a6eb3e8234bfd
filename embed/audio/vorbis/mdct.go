package vorbis

import (
	"math"
	"math/bits"
)

// mdct transforms n/2 lines to the n values of a block, by a DCT-IV of n/2 that is made of a complex FFT of n/4.
type mdct struct {
	n       int
	twist   []float32 // cosines and sines of the rotations before and after
	roots   []float32 // of unity: cosine and sine of -2 pi k / (n/4)
	reverse []uint16
	re, im  []float32
}

func newMDCT(n int) *mdct {
	m := &mdct{n: n}
	q := n / 4
	m.twist = make([]float32, 2*q)
	m.roots = make([]float32, q)
	for k := range q {
		s, c := math.Sincos(-math.Pi * float64(8*k+1) / float64(4*n))
		m.twist[2*k], m.twist[2*k+1] = float32(c), float32(s)
	}
	for k := range q / 2 {
		s, c := math.Sincos(-2 * math.Pi * float64(k) / float64(q))
		m.roots[2*k], m.roots[2*k+1] = float32(c), float32(s)
	}
	m.reverse = make([]uint16, q)
	for k := range m.reverse {
		m.reverse[k] = uint16(bits.Reverse32(uint32(k)) >> (32 - bits.Len(uint(q-1))))
	}
	m.re, m.im = make([]float32, q), make([]float32, q)
	return m
}

// run makes the values of a block: the middle n/2 of them in y; the others mirror them. y[i] is value n/4+i: the second quarter, whose mirror with the sign turned is the first,
// and the third, whose mirror is the fourth.
func (m *mdct) run(x, y []float32) {
	half := m.n / 2
	q := half / 2
	re, im := m.re, m.im
	x = x[:half]
	for k := range q {
		c, s := m.twist[2*k], m.twist[2*k+1]
		a, b := x[2*k], x[half-1-2*k]
		at := m.reverse[k]
		re[at], im[at] = a*c-b*s, a*s+b*c
	}
	m.fft(re, im)
	// d is the DCT-IV: d[2k] and d[half-1-2k] come of line k. Value n/4+i is -d[half-1-i].
	y = y[:half]
	for k := range q {
		c, s := m.twist[2*k], m.twist[2*k+1]
		a, b := re[k], im[k]
		y[half-1-2*k] = b*s - a*c
		y[2*k] = a*s + b*c
	}
}

// fft is in place, of inputs in the order of reversed bits.
func (m *mdct) fft(re, im []float32) {
	n := len(re)
	im = im[:n]
	for i := 0; i+4 <= n; i += 4 { // the first two steps have no factors
		r, j := re[i:i+4:i+4], im[i:i+4:i+4]
		ar, ai, br, bi := r[0]+r[1], j[0]+j[1], r[0]-r[1], j[0]-j[1]
		cr, ci, dr, di := r[2]+r[3], j[2]+j[3], r[2]-r[3], j[2]-j[3]
		r[0], j[0], r[2], j[2] = ar+cr, ai+ci, ar-cr, ai-ci
		r[1], j[1], r[3], j[3] = br+di, bi-dr, br-di, bi+dr
	}
	for size := 8; size <= n; size *= 2 {
		half, stride := size/2, n/size
		for from := 0; from < n; from += size {
			ar, ai := re[from:from+half], im[from:from+half]
			br, bi := re[from+half:from+size], im[from+half:from+size]
			ai, br, bi = ai[:len(ar)], br[:len(ar)], bi[:len(ar)]
			for k := range ar {
				c, s := m.roots[2*k*stride], m.roots[2*k*stride+1]
				tr, ti := br[k]*c-bi[k]*s, br[k]*s+bi[k]*c
				br[k], bi[k] = ar[k]-tr, ai[k]-ti
				ar[k], ai[k] = ar[k]+tr, ai[k]+ti
			}
		}
	}
}
