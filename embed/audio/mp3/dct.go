package mp3

import "math"

// Cosines of n*pi/18.
const (
	c1 = 0.98480775301220805937
	c2 = 0.93969262078590838405
	c3 = 0.86602540378443864676
	c4 = 0.76604444311897803520
	c5 = 0.64278760968653932632
	c7 = 0.34202014332566873304
	c8 = 0.17364817766693034885
)

// dct3x9 computes d[m] = sum of x[j] cos(pi/18 (2m+1) j). Outputs m and 8-m differ in the sign of what the odd j give.
func dct3x9(x, d *[9]float32) {
	p := x[0] + x[6]*0.5
	q := x[0] - x[6]
	e0 := p + x[2]*c2 + x[4]*c4 + x[8]*c8
	e1 := q + (x[2]-x[4]-x[8])*0.5
	e2 := p - x[2]*c8 - x[4]*c2 + x[8]*c4
	e3 := p - x[2]*c4 + x[4]*c8 - x[8]*c2
	d[4] = q - x[2] + x[4] + x[8]
	r := x[3] * c3
	o0 := r + x[1]*c1 + x[5]*c5 + x[7]*c7
	o1 := (x[1] - x[5] - x[7]) * c3
	o2 := x[1]*c5 - r - x[5]*c7 + x[7]*c1
	o3 := x[1]*c7 - r + x[5]*c1 - x[7]*c5
	d[0], d[8] = e0+o0, e0-o0
	d[1], d[7] = e1+o1, e1-o1
	d[2], d[6] = e2+o2, e2-o2
	d[3], d[5] = e3+o3, e3-o3
}

// halfSecants9 are 1/(2 cos(pi/36 (2m+1))), which make a DCT-IV of 9 of a DCT-III of sums of neighbours.
var halfSecants9 = func() (t [9]float32) {
	for m := range t {
		t[m] = float32(0.5 / math.Cos(math.Pi/36*float64(2*m+1)))
	}
	return t
}()

// dct4x18 computes d[m] = 2 cos(pi/72 (2m+1)) times the sum of x[k] cos(pi/72 (2m+1)(2k+1)): the factor, which makes it a DCT-III of sums of neighbours, is undone by the
// windows. The DCT-III falls into the even terms, a DCT-III of 9, and the odd ones, a DCT-IV of 9, for which the same is done again.
func dct4x18(x, d *[18]float32) {
	var even, odd, e, o [9]float32
	even[0], odd[0] = x[0], x[0]+x[1]
	for j := 1; j < 9; j++ {
		even[j] = x[2*j-1] + x[2*j]
		odd[j] = x[2*j-2] + x[2*j-1] + x[2*j] + x[2*j+1]
	}
	dct3x9(&even, &e)
	dct3x9(&odd, &o)
	for m := range 9 {
		v := o[m] * halfSecants9[m]
		d[m], d[17-m] = e[m]+v, e[m]-v
	}
}

// halfSecants are 1/(2 cos(pi/2n (2k+1))) for n of 32, 16, 8, 4 and 2, one behind the other.
var halfSecants = func() (t [31]float32) {
	at := 0
	for n := 32; n > 1; n /= 2 {
		for k := range n / 2 {
			t[at] = float32(0.5 / math.Cos(math.Pi/float64(2*n)*float64(2*k+1)))
			at++
		}
	}
	return t
}()

// dct32 computes c[m] = sum of x[k] cos(pi/64 m(2k+1)) by Lee's method: the sums of mirrored inputs give the even outputs, their differences, weighted, sums of neighbouring odd ones.
func dct32(x, c *[subbands]float32) {
	var a [subbands]float32
	for i := range 16 {
		u, v := x[i], x[31-i]
		a[i], a[16+i] = u+v, (u-v)*halfSecants[i]
	}
	for h := 0; h < 32; h += 16 {
		dct16((*[16]float32)(a[h:]))
	}
	for m := range 15 {
		c[2*m], c[2*m+1] = a[m], a[16+m]+a[17+m]
	}
	c[30], c[31] = a[15], a[31]
}

// dct16 is the DCT-II of 16, in place.
func dct16(x *[16]float32) {
	var a [16]float32
	for i := range 8 {
		u, v := x[i], x[15-i]
		a[i], a[8+i] = u+v, (u-v)*halfSecants[16+i]
	}
	dct8((*[8]float32)(a[:]))
	dct8((*[8]float32)(a[8:]))
	for m := range 7 {
		x[2*m], x[2*m+1] = a[m], a[8+m]+a[9+m]
	}
	x[14], x[15] = a[7], a[15]
}

// dct8 is the DCT-II of 8, in place.
func dct8(x *[8]float32) {
	s0, s1, s2, s3 := x[0]+x[7], x[1]+x[6], x[2]+x[5], x[3]+x[4]
	d0, d1 := (x[0]-x[7])*halfSecants[24], (x[1]-x[6])*halfSecants[25]
	d2, d3 := (x[2]-x[5])*halfSecants[26], (x[3]-x[4])*halfSecants[27]
	x[0], x[2], x[4], x[6] = dct4(s0, s1, s2, s3)
	o0, o1, o2, o3 := dct4(d0, d1, d2, d3)
	x[1], x[3], x[5], x[7] = o0+o1, o1+o2, o2+o3, o3
}

// dct4 is the DCT-II of 4.
func dct4(x0, x1, x2, x3 float32) (c0, c1, c2, c3 float32) {
	const (
		s0 = 0.54119610014619698440 // 1/(2 cos(pi/8))
		s1 = 1.30656296487637652786 // 1/(2 cos(3 pi/8))
		h  = 0.70710678118654752440 // 1/(2 cos(pi/4))
	)
	u, v := x0+x3, x1+x2
	p, q := (x0-x3)*s0, (x1-x2)*s1
	o := (p - q) * h
	return u + v, p + q + o, (u - v) * h, o
}
