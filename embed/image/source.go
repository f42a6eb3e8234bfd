package image

import (
	"fmt"
	stdimage "image"
	"image/color"

	"vecmill/embed/image/resize"
)

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
	stride        int
	colours       [256][3]byte
}

// Size is the picture's width and height.
func (p *indexed) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *indexed) Row(dst []byte, y int) {
	for x, i := range p.pix[y*p.stride:][:p.width] {
		copy(dst[3*x:3*x+3], p.colours[i][:])
	}
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

// premultiplied is a picture whose colours were multiplied by their alpha; Pillow divides them again.
type premultiplied struct {
	width, height int
	pix           []byte
	stride        int
}

// Size is the picture's width and height.
func (p *premultiplied) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *premultiplied) Row(dst []byte, y int) {
	row := p.pix[y*p.stride:]
	for x := range p.width {
		a := int(row[4*x+3])
		for c := range 3 {
			v := 0 // what is left of a pixel without alpha
			if a != 0 {
				v = min(255*int(row[4*x+c])/a, 255)
			}
			dst[3*x+c] = byte(v)
		}
	}
}

// fromImage wraps a picture of Go's decoders. Alpha is dropped, not composited, as convert("RGB") does.
func fromImage(m stdimage.Image) (source, error) {
	size := m.Bounds().Size()
	if m.Bounds().Min != (stdimage.Point{}) {
		return nil, fmt.Errorf("picture at an offset: %v", m.Bounds())
	}
	w, h := size.X, size.Y
	switch m := m.(type) {
	case *stdimage.Gray:
		return &pixels{width: w, height: h, pix: m.Pix, stride: m.Stride, step: 1}, nil
	case *stdimage.RGBA: // opaque from PNG and BMP, premultiplied from TIFF
		return &premultiplied{width: w, height: h, pix: m.Pix, stride: m.Stride}, nil
	case *stdimage.NRGBA:
		return &pixels{width: w, height: h, pix: m.Pix, stride: m.Stride, step: 4, g: 1, b: 2}, nil
	case *stdimage.Gray16:
		return &deepGrey{width: w, height: h, pix: m.Pix, stride: m.Stride, step: 2}, nil
	case *stdimage.NRGBA64:
		return &pixels{width: w, height: h, pix: m.Pix, stride: m.Stride, step: 8, g: 2, b: 4}, nil
	case *stdimage.RGBA64:
		return &pixels{width: w, height: h, pix: m.Pix, stride: m.Stride, step: 8, g: 2, b: 4}, nil
	case *stdimage.Paletted:
		p := &indexed{width: w, height: h, pix: m.Pix, stride: m.Stride}
		for i, c := range m.Palette {
			p.colours[i] = plainColour(c)
		}
		return p, nil
	}
	return nil, fmt.Errorf("pixels of type %T are not read", m)
}

// plainColour is a palette's colour without its alpha.
func plainColour(c color.Color) [3]byte {
	switch c := c.(type) {
	case color.RGBA:
		return [3]byte{c.R, c.G, c.B}
	case color.NRGBA:
		return [3]byte{c.R, c.G, c.B}
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return [3]byte{n.R, n.G, n.B}
}
