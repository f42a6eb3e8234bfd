package jpeg

// Picture is a decoded picture, still in its planes; rows become RGB on demand. It belongs to its Decoder.
type Picture struct {
	header        Header
	width, height int // at the scale that was asked for
	planes        []plane
	lines         []line
	colour        colour
	words         []uint64 // chroma of two rows, see Pair
}

// colour says what the components mean.
type colour int

const (
	colourGrey colour = iota
	colourYCbCr
	colourRGB
	colourCMYK
	colourYCCK
)

// Size is the picture's width and height in pixels.
func (p *Picture) Size() (width, height int) { return p.width, p.height }

func (p *Picture) prepare(d *Decoder) {
	p.header, p.planes, p.colour = d.header, d.planes, d.colourSpace()
	p.width, p.height = ceilDiv(d.header.Width, d.scale), ceilDiv(d.header.Height, d.scale)
	if len(p.lines) < len(p.planes) {
		p.lines = make([]line, len(p.planes))
	}
	hmax, vmax := d.header.maxSampling()
	for i := range p.planes {
		p.lines[i].prepare(&p.planes[i], hmax, vmax, 8/d.scale)
	}
}

// colourSpace decides as libjpeg does: by the JFIF marker, the Adobe marker, the components' names, in this order.
func (d *Decoder) colourSpace() colour {
	c := d.header.Components
	switch len(c) {
	case 1:
		return colourGrey
	case 4:
		if d.adobe <= 0 {
			return colourCMYK
		}
		return colourYCCK
	}
	switch {
	case d.jfif:
		return colourYCbCr
	case d.adobe == 0, d.adobe < 0 && c[0].ID == 'R' && c[1].ID == 'G' && c[2].ID == 'B':
		return colourRGB
	}
	return colourYCbCr
}

// Row writes row y as RGB triples; dst has room for 3 x width bytes. Any order of rows is right, ascending is fastest.
func (p *Picture) Row(dst []byte, y int) {
	n := p.width
	dst = dst[:3*n]
	a := p.lines[0].row(y)[:n]
	if p.colour == colourGrey {
		for i, v := range a {
			o := dst[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = v, v, v
		}
		return
	}
	b, c := p.lines[1].row(y)[:n], p.lines[2].row(y)[:n]
	switch p.colour {
	case colourYCbCr:
		fromYCbCr(dst, a, b, c)
	case colourRGB:
		for i := range a {
			o := dst[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = a[i], b[i], c[i]
		}
	case colourCMYK:
		for i, k := range p.lines[3].row(y)[:n] {
			o := dst[3*i : 3*i+3 : 3*i+3]
			// The file holds inverted ink, so what is stored is 255 - C, and so on.
			o[0], o[1], o[2] = Ink(255-a[i], k), Ink(255-b[i], k), Ink(255-c[i], k)
		}
	case colourYCCK:
		fromYCbCr(dst, a, b, c) // gives 255 - what is stored, which is C, M and Y as they are
		for i, k := range p.lines[3].row(y)[:n] {
			o := dst[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = Ink(o[0], k), Ink(o[1], k), Ink(o[2], k)
		}
	}
}

// Ink is Pillow's CMYK to RGB for one colour: light is 255 - K, and the colour's ink takes its share of it.
func Ink(colour, light byte) byte {
	t := int32(colour)*int32(light) + 128
	return clamp(int32(light) - (t>>8+t)>>8)
}
