package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	stdimage "image"

	xtiff "golang.org/x/image/tiff"
)

// The TIFF tags that are looked at here; the rest is the decoder's.
const (
	tagWidth         = 256
	tagHeight        = 257
	tagBitsPerSample = 258
	tagOrientation   = 274
	tagTileWidth     = 322
)

// directory is what the first directory of a TIFF file says.
type directory struct {
	width, height int64
	deep          bool // maybe more than 8 bits a sample
	samples       int64
	orientation   int64
	tiled         bool
}

// readDirectory walks the first directory. It fails with errHeaderShort if b ends before it does.
func readDirectory(b []byte) (directory, error) {
	d := directory{samples: 1, orientation: 1}
	if len(b) < 8 {
		return d, errHeaderShort
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return d, errHeaderShort
	}
	n := int64(order.Uint16(b[at:]))
	if at+2+12*n > int64(len(b)) {
		return d, errHeaderShort
	}
	for i := range n {
		e := b[at+2+12*i:]
		tag, kind, count := order.Uint16(e), order.Uint16(e[2:]), int64(order.Uint32(e[4:]))
		var value int64
		switch kind {
		case 1:
			value = int64(e[8])
		case 3:
			value = int64(order.Uint16(e[8:]))
		default:
			value = int64(order.Uint32(e[8:]))
		}
		switch tag {
		case tagWidth:
			d.width = value
		case tagHeight:
			d.height = value
		case tagBitsPerSample:
			d.samples = count
			d.deep = kind != 3 || count > 2 || value > 8 // more than two values are elsewhere
		case tagOrientation:
			d.orientation = value
		case tagTileWidth:
			d.tiled = true
		}
	}
	return d, nil
}

func (h *header) readTIFF(b []byte) error {
	d, err := readDirectory(b)
	if err != nil {
		return err
	}
	h.setSize(d.width, d.height)
	perPixel, unpacked := int64(4), h.pixels()
	if d.deep {
		perPixel = 8
	}
	if d.tiled { // the decoder takes tiles that stand out by 16, or by more up to 1024
		unpacked = max(unpacked+16*int64(h.width+h.height)+256, 1<<20)
	}
	// The picture, a turned copy, and a strip or tile, for which the decoder allows 8 bytes a pixel, as its buffer grows.
	h.decoded = (perPixel+3)*h.pixels() + 2*8*unpacked + 64<<10
	return nil
}

// decodeTIFF reads the first picture of the file. Pillow turns it by its orientation tag as it reads it.
func decodeTIFF(b []byte, h header) (source, error) {
	d, err := readDirectory(b)
	if err != nil {
		return nil, err
	}
	// The decoder reads the directory in its own way: a value may be elsewhere, or come twice. Its answer must be the one that was checked.
	c, err := xtiff.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if c.Width != h.width || c.Height != h.height {
		return nil, fmt.Errorf("the directory says %d x %d and %d x %d", h.width, h.height, c.Width, c.Height)
	}
	m, err := xtiff.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if _, deep := m.(*stdimage.RGBA64); deep && d.samples == 4 {
		return nil, errors.New("premultiplied colours of 16 bits are not read")
	}
	src, err := fromImage(m)
	if err != nil {
		return nil, err
	}
	return turn(src, d.orientation), nil
}

// turn gives the picture as it is to be seen. Orientations are TIFF's: 1 is as stored, 2 to 4 keep the axes, 5 to 8 swap them.
func turn(src source, orientation int64) source {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Size()
	out := &raster{width: w, height: h}
	if swaps(orientation) {
		out.width, out.height = h, w
	}
	out.pix = make([]byte, 3*w*h)
	row := make([]byte, 3*w)
	for y := range h {
		src.Row(row, y)
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			copy(out.pix[3*(ty*out.width+tx):][:3], row[3*x:3*x+3])
		}
	}
	return out
}

// swaps says whether turning exchanges the sides.
func swaps(orientation int64) bool { return orientation >= 5 && orientation <= 8 }
