package image

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// How BMP compresses.
const (
	bmpRaw = iota
	bmpRLE8
	bmpRLE4
	bmpBitfields
)

// bitmap is what the headers of a BMP file say.
type bitmap struct {
	width, height int64
	topDown       bool
	bits          int
	compression   uint32
	masks         [4]uint32 // red, green, blue, alpha
	colours       int       // of the palette
	entry         int       // bytes of one of them
	palette       int       // where it begins
	pixels        int       // where the pixels begin
}

// readBitmap reads the headers, as Pillow takes them. It fails with errHeaderShort if b ends before they do.
func readBitmap(b []byte) (bitmap, error) {
	var m bitmap
	if len(b) < 18 {
		return m, errHeaderShort
	}
	size := int64(binary.LittleEndian.Uint32(b[14:]))
	switch size {
	case 12, 40, 52, 56, 64, 108, 124:
	default:
		return m, fmt.Errorf("header of %d bytes is not read", size)
	}
	end := 14 + int(size)
	if len(b) < end {
		return m, errHeaderShort
	}
	if size == 12 { // OS/2
		m.width, m.height = int64(binary.LittleEndian.Uint16(b[18:])), int64(binary.LittleEndian.Uint16(b[20:]))
		m.bits, m.entry = int(binary.LittleEndian.Uint16(b[24:])), 3
	} else {
		m.width, m.height = int64(binary.LittleEndian.Uint32(b[18:])), int64(binary.LittleEndian.Uint32(b[22:]))
		if m.topDown = b[25] == 0xFF; m.topDown {
			m.height = 1<<32 - m.height
		}
		m.bits, m.compression, m.entry = int(binary.LittleEndian.Uint16(b[28:])), binary.LittleEndian.Uint32(b[30:]), 4
		m.colours = int(min(binary.LittleEndian.Uint32(b[46:]), 1<<16+1))
	}
	if m.compression == bmpBitfields {
		n := 3
		if size >= 56 {
			n = 4
		}
		if size == 40 {
			end += 4 * n
		}
		if len(b) < end {
			return m, errHeaderShort
		}
		for i := range n {
			m.masks[i] = binary.LittleEndian.Uint32(b[54+4*i:])
		}
	}
	if m.colours == 0 {
		m.colours = 1 << min(m.bits, 16)
	}
	m.palette, m.pixels = end, int(binary.LittleEndian.Uint32(b[10:]))
	if m.bits <= 8 && int64(m.pixels) == 14+size {
		m.pixels += m.entry * m.colours
	}
	return m, nil
}

func (h *header) readBMP(b []byte) error {
	m, err := readBitmap(b)
	if err != nil {
		return err
	}
	h.setSize(m.width, m.height)
	h.decoded = h.pixels() + 4<<10
	return nil
}

// bmpLayouts are where the bytes of red, green and blue lie in the pixels that masks describe.
var bmpLayouts = map[[4]uint32][3]int{
	{0xFF0000, 0xFF00, 0xFF, 0}:          {2, 1, 0},
	{0xFF000000, 0xFF0000, 0xFF00, 0}:    {3, 2, 1},
	{0xFF000000, 0xFF00, 0xFF, 0}:        {3, 1, 0},
	{0xFF000000, 0xFF0000, 0xFF00, 0xFF}: {3, 2, 1},
	{0xFF, 0xFF00, 0xFF0000, 0xFF000000}: {0, 1, 2},
	{0xFF0000, 0xFF00, 0xFF, 0xFF000000}: {2, 1, 0},
	{0xFF000000, 0xFF00, 0xFF, 0xFF0000}: {3, 1, 0},
	{}:                                   {2, 1, 0},
}

// decodeBMP reads a picture with or without a palette, in runs or not. Its pixels stay in b where they are RGB already. The layouts are Pillow's.
func (r *reader) decodeBMP(b []byte, h header) (source, error) {
	m, err := readBitmap(b)
	if err != nil {
		return nil, err
	}
	stride := (h.width*m.bits + 31) >> 3 &^ 3
	var src source
	switch runs := m.compression == bmpRLE8 || m.compression == bmpRLE4; {
	case runs && m.bits > 8, m.compression > bmpBitfields, m.compression == bmpBitfields && m.bits < 16:
		return nil, fmt.Errorf("compression %d of %d bits is not read", m.compression, m.bits)
	case m.pixels > len(b):
		return nil, errEnd
	case runs:
		src, err = m.indexed(b, h, stride, r)
	case int64(stride)*int64(h.height) > int64(len(b)-m.pixels):
		return nil, errEnd
	case m.bits <= 8:
		src, err = m.indexed(b, h, stride, r)
	default:
		src, err = m.direct(b[m.pixels:], h, stride)
	}
	if err != nil {
		return nil, err
	}
	if m.topDown {
		return src, nil
	}
	return upsideDown{src, h.height}, nil
}

var errEnd = errors.New("ends before its last pixel")

// direct is a picture without a palette.
func (m *bitmap) direct(pix []byte, h header, stride int) (source, error) {
	place, known := [3]int{2, 1, 0}, true
	if m.compression == bmpBitfields {
		masks := m.masks
		if m.bits != 32 {
			masks[3] = 0
		}
		place, known = bmpLayouts[masks]
		switch m.bits {
		case 16:
			known = masks == fields565 || masks == fields555
		case 24:
			known = known && masks == [4]uint32{0xFF0000, 0xFF00, 0xFF}
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("pixels of %d bits with masks %x are not read", m.bits, m.masks)
	case m.bits == 16:
		return &shortPixels{width: h.width, height: h.height, pix: pix, stride: stride, green6: m.masks[1] == fields565[1]}, nil
	case m.bits == 24 || m.bits == 32:
		return &pixels{width: h.width, height: h.height, pix: pix, stride: stride, step: m.bits / 8, r: place[0], g: place[1], b: place[2]}, nil
	}
	return nil, fmt.Errorf("pixels of %d bits are not read", m.bits)
}

var fields565, fields555 = [4]uint32{0xF800, 0x7E0, 0x1F}, [4]uint32{0x7C00, 0x3E0, 0x1F}

// indexed is a picture of colours of a palette.
func (m *bitmap) indexed(b []byte, h header, stride int, r *reader) (source, error) {
	if m.bits != 1 && m.bits != 2 && m.bits != 4 && m.bits != 8 {
		return nil, fmt.Errorf("pixels of %d bits are not read", m.bits)
	}
	if m.colours > 1<<16 {
		return nil, errors.New("palette of more than 65536 colours")
	}
	out := &indexed{width: h.width, height: h.height, stride: h.width, bits: 8}
	table := b[m.palette:min(m.palette+m.entry*min(m.colours, 256), len(b))]
	for i := 0; len(table) >= m.entry; i, table = i+1, table[m.entry:] {
		out.colours[i] = [3]byte{table[2], table[1], table[0]}
	}
	if m.compression != bmpRaw {
		var err error
		out.pix, err = unpackRuns(r.room(h.width*h.height), b, m.pixels, h.width, m.compression == bmpRLE4)
		return out, err
	}
	out.pix, out.stride, out.bits = b[m.pixels:], stride, m.bits
	return out, nil
}

// unpackRuns fills out with runs of equal pixels, and pixels as they are, from a place on. Rows are filled up with colour 0 where one ends early.
func unpackRuns(out, b []byte, at, width int, nibbles bool) ([]byte, error) {
	n := len(out)
	clear(out)
	out = out[:0]
	zeros := func(k int) { out = out[:len(out)+min(k, n-len(out))] }
	x := 0
	for len(out) < n && at+2 <= len(b) {
		count, v := int(b[at]), b[at+1]
		at += 2
		switch {
		case count > 0:
			count = min(count, max(width-x, 0), n-len(out))
			for i := range count {
				out = append(out, pixelOfRun(v, i, nibbles))
			}
			x += count
		case v == 0: // end of the line
			zeros((width - len(out)%width) % width)
			x = 0
		case v == 1: // end of the picture
			at = len(b)
		case v == 2: // jump
			if at+2 > len(b) {
				return nil, errEnd
			}
			zeros(int(b[at]) + int(b[at+1])*width)
			x = len(out) % width
			at += 2
		default:
			count, size := min(int(v), n-len(out)), 0
			if size = count; nibbles {
				size = (count + 1) / 2
			}
			if at+size > len(b) {
				return nil, errEnd
			}
			for i := range count {
				if nibbles {
					out = append(out, pixelOfRun(b[at+i/2], i, true))
				} else {
					out = append(out, b[at+i])
				}
			}
			x += int(v)
			at += size
			at += at & 1
		}
	}
	if len(out) < n {
		return nil, errEnd
	}
	return out, nil
}

// pixelOfRun is the i-th pixel of a run: a byte, or by turns the halves of it.
func pixelOfRun(v byte, i int, nibbles bool) byte {
	switch {
	case !nibbles:
		return v
	case i%2 == 0:
		return v >> 4
	}
	return v & 15
}

// upsideDown is a picture whose last row comes first.
type upsideDown struct {
	source
	height int
}

// Row writes row y.
func (u upsideDown) Row(dst []byte, y int) { u.source.Row(dst, u.height-1-y) }

// shortPixels is a picture of 16 bits a pixel: five for each colour, or six for green.
type shortPixels struct {
	width, height int
	pix           []byte
	stride        int
	green6        bool
}

// Size is the picture's width and height.
func (p *shortPixels) Size() (width, height int) { return p.width, p.height }

// Row writes row y.
func (p *shortPixels) Row(dst []byte, y int) {
	row := p.pix[y*p.stride:][:2*p.width]
	for x := range p.width {
		v := int(binary.LittleEndian.Uint16(row[2*x:]))
		o := dst[3*x:][:3]
		o[2] = byte(v & 31 * 255 / 31)
		if p.green6 {
			o[1], o[0] = byte(v>>5&63*255/63), byte(v>>11&31*255/31)
		} else {
			o[1], o[0] = byte(v>>5&31*255/31), byte(v>>10&31*255/31)
		}
	}
}
