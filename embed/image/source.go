package image

import "vecmill/embed/image/resize"

// source is a decoded picture, ready to give its rows as RGB.
type source = resize.Source

// raster is a picture that is RGB already.
type raster struct {
	width, height int
	pix           []byte
}

// Size is the picture's width and height.
func (r *raster) Size() (width, height int) { return r.width, r.height }

// Row writes row y.
func (r *raster) Row(dst []byte, y int) { copy(dst, r.pix[3*r.width*y:3*r.width*(y+1)]) }

// Pairs says that any two rows may be had at once.
func (r *raster) Pairs() int { return 0 }

// Pair writes rows y and y+1.
func (r *raster) Pair(dst [][3]uint64, y int) {
	n := 3 * r.width
	resize.Pack(dst, r.pix[n*y:n*(y+1)], r.pix[n*(y+1):n*(y+2)])
}

// pixels is a picture of pixels of some bytes each, of which three bytes at the given places are red, green and blue.
type pixels struct {
	width, height int
	pix           []byte
	stride, step  int
	r, g, b       int
}

// Size is the picture's width and height.
func (p *pixels) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *pixels) Row(dst []byte, y int) {
	row := p.pix[y*p.stride:][:p.width*p.step]
	for ; len(row) >= p.step && len(dst) >= 3; row, dst = row[p.step:], dst[3:] {
		dst[0], dst[1], dst[2] = row[p.r], row[p.g], row[p.b]
	}
}

// indexed is a picture of indices into colours.
type indexed struct {
	width, height int
	pix           []byte
	stride, bits  int // a pixel has 1, 2, 4 or 8 bits, the first of a byte its highest
	colours       [256][3]byte
}

// Size is the picture's width and height.
func (p *indexed) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *indexed) Row(dst []byte, y int) {
	row := p.pix[y*p.stride:][:(p.width*p.bits+7)/8]
	if p.bits == 8 {
		for x, i := range row {
			o := dst[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = p.colours[i][0], p.colours[i][1], p.colours[i][2]
		}
		return
	}
	for x := range p.width {
		i := bitsAt(row, x, p.bits)
		o := dst[3*x : 3*x+3 : 3*x+3]
		o[0], o[1], o[2] = p.colours[i][0], p.colours[i][1], p.colours[i][2]
	}
}

// bitsAt is the i-th of numbers of 1, 2, 4 or 8 bits.
func bitsAt(row []byte, i, bits int) byte {
	at := i * bits
	return row[at>>3] >> (8 - bits - at&7) & byte(1<<bits-1)
}

// deepGrey is a grey picture of 16 bits, big-endian, cut off at 255 as Pillow's conversion does: all but the darkest become white.
type deepGrey struct {
	width, height int
	pix           []byte
	stride, step  int
}

// Size is the picture's width and height.
func (p *deepGrey) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *deepGrey) Row(dst []byte, y int) {
	row := p.pix[y*p.stride:]
	for x := range p.width {
		v := row[x*p.step+1]
		if row[x*p.step] != 0 {
			v = 255
		}
		dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
	}
}
