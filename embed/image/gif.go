package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	stdimage "image"
	"image/gif"
)

// gifFrame is what the blocks before the first frame's data say. Go's decoder blackens the transparent colour of its palette; the
// reference keeps what the file has, so the palette is read here.
type gifFrame struct {
	width, height int // of the screen
	palette       []byte
	transparent   int // index, -1 for none
}

var errGIF = errors.New("damaged blocks before the first frame")

// readGIFFrame walks the blocks up to the first frame.
func readGIFFrame(b []byte) (gifFrame, error) {
	f := gifFrame{transparent: -1}
	if len(b) < 13 {
		return f, errHeaderShort
	}
	f.width, f.height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	flags, b := b[10], b[13:]
	global, b, ok := colourTable(flags, b)
	for ok && len(b) > 0 {
		switch b[0] {
		case 0x21: // extension
			if len(b) >= 8 && b[1] == 0xF9 && b[2] == 4 && b[3]&1 != 0 {
				f.transparent = int(b[6])
			}
			if b, ok = skipBlocks(b, 2); !ok {
				return f, errGIF
			}
		case 0x2C: // frame
			if len(b) < 10 {
				return f, errHeaderShort
			}
			f.palette, _, ok = colourTable(b[9], b[10:])
			if f.palette == nil {
				f.palette = global
			}
			if !ok || f.palette == nil {
				return f, errors.New("no colour table")
			}
			return f, nil
		default:
			return f, errGIF
		}
	}
	return f, errHeaderShort
}

// colourTable reads the table that flags announce; nil if there is none.
func colourTable(flags byte, b []byte) (table, rest []byte, ok bool) {
	if flags&0x80 == 0 {
		return nil, b, true
	}
	n := 3 << (flags&7 + 1)
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// skipBlocks passes over sub-blocks that begin at an offset.
func skipBlocks(b []byte, at int) (rest []byte, ok bool) {
	for at < len(b) {
		n := int(b[at])
		at += 1 + n
		if n == 0 {
			return b[at:], true
		}
	}
	return nil, false
}

// decodeGIF reads the first frame, on a screen that is filled with the transparent colour if there is one, else with colour 0.
func decodeGIF(b []byte) (source, error) {
	f, err := readGIFFrame(b)
	if err != nil {
		return nil, err
	}
	m, err := gif.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	p, ok := m.(*stdimage.Paletted)
	if !ok {
		return nil, errors.New("frame without a palette")
	}
	out := &indexed{width: f.width, height: f.height, pix: p.Pix, stride: p.Stride}
	for i := 0; i < len(f.palette)/3; i++ {
		copy(out.colours[i][:], f.palette[3*i:])
	}
	if r := p.Rect; r != stdimage.Rect(0, 0, f.width, f.height) {
		out.stride = f.width
		out.pix = make([]byte, f.width*f.height)
		if f.transparent >= 0 {
			for i := range out.pix {
				out.pix[i] = byte(f.transparent)
			}
		}
		for y := range r.Dy() {
			copy(out.pix[(r.Min.Y+y)*f.width+r.Min.X:][:r.Dx()], p.Pix[y*p.Stride:])
		}
	}
	return out, nil
}
