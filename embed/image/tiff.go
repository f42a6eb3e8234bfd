package image

import (
	"context"
	"encoding/binary"

	"vecmill/embed/image/jpeg"
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
func (r *reader) decodeTIFF(ctx context.Context, b []byte, h header) (source, error) {
	d, err := readDirectory(b)
	if err != nil {
		return nil, err
	}
	f, err := readTIFFFile(b, h.width, h.height)
	if err != nil {
		return nil, err
	}
	out := &raster{width: h.width, height: h.height, pix: r.room(3 * h.width * h.height)}
	clear(out.pix)
	err = f.blocks(ctx, &r.blocks, func(plane int, b *tiffBlock) error {
		stride := (b.w*b.samples*f.depth + 7) / 8
		for y := range min(b.h, f.h-b.y) {
			row := out.pix[3*((b.y+y)*f.w+b.x):][:3*min(b.w, f.w-b.x)]
			if b.samples == f.samples {
				f.convert(row, b.data[y*stride:])
			} else {
				f.scatter(row, b.data[y*stride:], plane)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.turn(out, d.orientation), nil
}

// convert makes RGB of a row of pixels, alpha dropped, as Pillow does.
func (f *tiffFile) convert(dst, row []byte) {
	if f.depth == 8 && f.samples == 3 && (f.photometric == tiffRGB || f.photometric == tiffYCbCr) {
		copy(dst, row)
		return
	}
	step := f.samples * f.depth / 8
	high := 0 // which byte of a sample counts, of 16 bits the upper
	if f.depth == 16 && f.order == binary.LittleEndian {
		high = 1
	}
	for x := range len(dst) / 3 {
		o := dst[3*x : 3*x+3]
		switch f.photometric {
		case tiffCMYK:
			p, at := row[x*step:], f.depth/8
			for c := range o {
				o[c] = jpeg.Ink(p[c*at+high], 255-p[3*at+high])
			}
		case tiffRGB, tiffYCbCr:
			p, at := row[x*step:], f.depth/8
			o[0], o[1], o[2] = p[high], p[at+high], p[2*at+high]
			if f.extra == 1 {
				for c := range o {
					o[c] = divided(o[c], p[3])
				}
			}
		case tiffPalette:
			i, m := int(f.small(row, x)), f.tags[tagColourMap]
			n := 1 << f.depth
			o[0], o[1], o[2] = byte(m[i]>>8), byte(m[n+i]>>8), byte(m[2*n+i]>>8)
		default:
			v := f.grey(row, x, high)
			o[0], o[1], o[2] = v, v, v
		}
	}
}

// grey is the level of a grey pixel. Of 16 bits all but the darkest become white, and white is never zero.
func (f *tiffFile) grey(row []byte, x, high int) byte {
	if f.depth == 16 {
		p := row[2*x*f.samples:]
		if p[high] != 0 {
			return 255
		}
		return p[1-high]
	}
	v := f.small(row, x)
	if f.depth < 8 {
		v = byte(int(v) * 255 / (1<<f.depth - 1))
	}
	if f.photometric == whiteIsZero {
		v = 255 - v
	}
	if f.extra == 1 {
		v = divided(v, row[x*f.samples+1])
	}
	return v
}

// small is the first sample of a pixel, of at most 8 bits.
func (f *tiffFile) small(row []byte, x int) byte {
	if f.depth == 8 {
		return row[x*f.samples]
	}
	perByte := 8 / f.depth
	return row[x/perByte] >> (8 - f.depth*(x%perByte+1)) & (1<<f.depth - 1)
}

// scatter puts a row of one plane where it belongs. Planes of CMYK and of premultiplied colours are not put together.
func (f *tiffFile) scatter(dst, row []byte, plane int) {
	high := 0
	if f.depth == 16 && f.order == binary.LittleEndian {
		high = 1
	}
	if plane > 2 {
		return
	}
	for x := range len(dst) / 3 {
		dst[3*x+plane] = row[x*f.depth/8+high]
	}
}

// divided undoes the premultiplication of a colour.
func divided(v, alpha byte) byte {
	if alpha == 0 {
		return 0
	}
	return byte(min(255*int(v)/int(alpha), 255))
}

// turn gives the picture as it is to be seen. Orientations are TIFF's: 1 is as stored, 2 to 4 keep the axes, 5 to 8 swap them.
func (r *reader) turn(src source, orientation int64) source {
	if orientation < 2 || orientation > 8 {
		return src
	}
	w, h := src.Size()
	out := &raster{width: w, height: h}
	if swaps(orientation) {
		out.width, out.height = h, w
	}
	r.upright = sized(r.upright, 3*w*h+3*w)
	out.pix = r.upright[:3*w*h]
	row := r.upright[3*w*h:]
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
