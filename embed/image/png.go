package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"vecmill/embed/image/inflate"
)

// What a PNG's pixels are.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

// pngSamples is how many samples a pixel has, and pngDepths which bits they may have, as a set.
var (
	pngSamples = map[byte]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}
	pngDepths  = map[byte]uint{
		pngGrey: 1<<1 | 1<<2 | 1<<4 | 1<<8 | 1<<16, pngRGB: 1<<8 | 1<<16, pngPalette: 1<<1 | 1<<2 | 1<<4 | 1<<8, pngGreyAlpha: 1<<8 | 1<<16, pngRGBA: 1<<8 | 1<<16,
	}
)

// pngLayout is what a header says besides the size.
type pngLayout struct {
	kind       byte
	depth      int // bits of a sample
	bits       int // of a pixel
	interlaced bool
}

// readPNGLayout reads the last bytes of a header: from the depth on.
func readPNGLayout(b []byte) (pngLayout, error) {
	l := pngLayout{depth: int(b[0]), kind: b[1], interlaced: b[4] == 1}
	switch {
	case b[0] > 16 || pngDepths[l.kind]>>b[0]&1 == 0:
		return l, fmt.Errorf("%d bits of colour type %d are not read", l.depth, l.kind)
	case b[2] != 0 || b[3] != 0 || b[4] > 1:
		return l, fmt.Errorf("compression %d, filter %d, interlace %d are not read", b[2], b[3], b[4])
	}
	l.bits = l.depth * pngSamples[l.kind]
	return l, nil
}

// step is how many bytes a pixel takes where each has its own.
func (l pngLayout) step() int { return (l.bits + 7) / 8 }

// row is how many bytes a row of w pixels takes, with its filter's.
func (l pngLayout) row(w int) int64 { return 1 + (int64(w)*int64(l.bits)+7)/8 }

// pngFile is what the chunks of a file hold.
type pngFile struct {
	pngLayout
	palette []byte
	data    []byte // what the chunks of pixels hold, together
}

// errPNGEnd is about a file that ends before its end chunk. Pillow takes it if its pixels are whole; here what is cut off is refused.
var errPNGEnd = errors.New("ends before its end chunk")

var errPNGChunk = errors.New("no chunk where one should begin")

// chunks walks through a file. As Pillow does, it holds chunks in front of the pixels against their checksums, and leaves those of the pixels, which have zlib's, and those behind them alone. Pixels are in chunks that follow
// each other; room is lent to join them, up to most bytes.
func (f *pngFile) chunks(b []byte, room *[]byte, most int64) error {
	pixels, closed := 0, false // chunks of pixels, and whether another chunk came behind them
	for at, seen := 8, 0; ; seen++ {
		if len(b)-at < 12 || int64(binary.BigEndian.Uint32(b[at:])) > int64(len(b)-at-12) {
			return errPNGEnd
		}
		n := int(binary.BigEndian.Uint32(b[at:]))
		name, body, sum := b[at+4:at+8], b[at+8:at+8+n], binary.BigEndian.Uint32(b[at+8+n:])
		at += 12 + n
		kind := string(name)
		switch {
		case !isChunkName(name):
			return errPNGChunk
		case (seen == 0) != (kind == "IHDR"):
			return errors.New("not one header, in front of all")
		case pixels == 0 && kind != "IDAT" && crc32.Update(crc32.ChecksumIEEE(name), crc32.IEEETable, body) != sum:
			return fmt.Errorf("checksum of chunk %s is wrong", kind)
		}
		closed = closed || pixels > 0 && kind != "IDAT"
		switch kind {
		case "IHDR":
			if n != 13 {
				return fmt.Errorf("header of %d bytes", n)
			}
			var err error
			if f.pngLayout, err = readPNGLayout(body[8:]); err != nil {
				return err
			}
		case "PLTE":
			if pixels == 0 {
				f.palette = body
			}
		case "IDAT":
			if closed {
				continue // Pillow has stopped reading pixels
			}
			if pixels++; pixels > 1 && int64(len(f.data)+n) > most {
				return fmt.Errorf("more than %d bytes of compressed pixels", most)
			}
			switch pixels {
			case 1:
				f.data = body
			case 2:
				*room = append(append((*room)[:0], f.data...), body...)
			default:
				*room = append(*room, body...)
			}
			if pixels > 1 {
				f.data = *room
			}
		case "IEND":
			return f.check(pixels)
		}
	}
}

// check says what is missing.
func (f *pngFile) check(pixels int) error {
	switch n := len(f.palette) / 3; {
	case pixels == 0:
		return errors.New("no pixels")
	case f.kind == pngPalette && (n < 1 || n > 256):
		return fmt.Errorf("palette of %d colours", n)
	}
	return nil
}

// isChunkName says whether the bytes may name a chunk, by Pillow's rule.
func isChunkName(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

// pngPass is one of the pictures that a file's rows make: which pixels of the whole.
type pngPass struct{ x, y, dx, dy int }

// size is how many pixels of a picture of w x h belong to a pass.
func (p pngPass) size(w, h int) (pw, ph int) {
	return max((w-p.x+p.dx-1)/p.dx, 0), max((h-p.y+p.dy-1)/p.dy, 0)
}

var (
	pngWhole = []pngPass{{0, 0, 1, 1}}
	adam7    = []pngPass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
)

func (l pngLayout) passes() []pngPass {
	if l.interlaced {
		return adam7
	}
	return pngWhole
}

// bytes is how many bytes the rows of a picture have, with their filters.
func (l pngLayout) bytes(w, h int) int64 {
	var n int64
	for _, p := range l.passes() {
		if pw, ph := p.size(w, h); pw > 0 {
			n += l.row(pw) * int64(ph)
		}
	}
	return n
}

func (h *header) readPNG(b []byte) error {
	if len(b) < 29 {
		return errHeaderShort
	}
	if string(b[12:16]) != "IHDR" {
		return errors.New("no header chunk")
	}
	l, err := readPNGLayout(b[24:])
	if err != nil {
		return err
	}
	h.setSize(int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:])))
	if h.width > maxSide || h.height > maxSide {
		return nil // refused for it
	}
	rows := l.bytes(h.width, h.height)
	h.joined = 2*rows + 64<<10 // compressed, they are less; stored in small blocks, a little more
	h.decoded = l.row(h.width) + rows
	if l.interlaced {
		h.decoded += int64(l.step()) * h.pixels()
	}
	h.decoded += turned*h.pixels() + 64<<10 + 8*maxMetadata // a turned copy; the inflater; text
	return nil
}

// pngBuffers are what a reader keeps for PNG.
type pngBuffers struct {
	inflater inflate.Decoder
	joined   []byte // chunks
	rows     []byte // a row of zeros, then those of the file
	pixels   []byte // of passes, put together
}

func (p *pngBuffers) bytes() int64 {
	return p.inflater.Bytes() + int64(cap(p.joined)+cap(p.rows)+cap(p.pixels))
}

// decode reads a picture. What it gives uses p's buffers, or b, until the next.
func (p *pngBuffers) decode(ctx context.Context, b []byte, h header) (source, error) {
	var f pngFile
	if err := f.chunks(b, &p.joined, h.joined); err != nil {
		return nil, err
	}
	zeros := f.row(h.width)
	p.rows = sized(p.rows, int(zeros+f.bytes(h.width, h.height)))
	above, rows := p.rows[:zeros], p.rows[zeros:]
	clear(above)
	if err := p.inflater.Zlib(ctx, rows, f.data); err != nil {
		return nil, err
	}
	if f.interlaced {
		p.pixels = sized(p.pixels, f.step()*h.width*h.height)
	}
	for _, pass := range f.passes() {
		w, down := pass.size(h.width, h.height)
		if w == 0 {
			continue
		}
		stride := int(f.row(w))
		before := above[:stride]
		for y := range down {
			row := rows[y*stride:][:stride]
			if !unfilter(row[0], row[1:], before[1:], f.step()) {
				return nil, fmt.Errorf("filter %d is not known", row[0])
			}
			if f.interlaced {
				f.place(p.pixels[(pass.y+y*pass.dy)*h.width*f.step():], row[1:], pass, w)
			}
			before = row
			if y&63 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		rows = rows[stride*down:]
	}
	if f.interlaced {
		return f.source(h, p.pixels, f.step()*h.width), nil
	}
	return f.source(h, p.rows[zeros+1:], int(zeros)), nil
}

// place puts the w pixels of a pass's row where they belong in a row of the picture. Pixels of less than a byte become one each.
func (f *pngFile) place(dst, row []byte, pass pngPass, w int) {
	n := f.step()
	for i := range w {
		to := dst[(pass.x+i*pass.dx)*n:][:n]
		if f.bits < 8 {
			to[0] = bitsAt(row, i, f.bits)
		} else {
			copy(to, row[i*n:])
		}
	}
}

// source is the picture as Pillow converts it to RGB: of 16 bits the upper 8, but for grey, which is cut off.
func (f *pngFile) source(h header, pix []byte, stride int) source {
	out := &pixels{width: h.width, height: h.height, pix: pix, stride: stride, step: f.step(), g: f.depth / 8, b: f.depth / 4}
	switch {
	case f.kind == pngGrey && f.depth == 16:
		return &deepGrey{width: h.width, height: h.height, pix: pix, stride: stride, step: 2}
	case f.kind == pngPalette || f.depth < 8:
		out := &indexed{width: h.width, height: h.height, pix: pix, stride: stride, bits: f.depth}
		if f.interlaced {
			out.bits = 8
		}
		if f.kind == pngGrey {
			for i := range 1 << f.depth {
				v := byte(i * 255 / (1<<f.depth - 1))
				out.colours[i] = [3]byte{v, v, v}
			}
			return out
		}
		for i := range len(f.palette) / 3 {
			copy(out.colours[i][:], f.palette[3*i:])
		}
		return out
	case f.kind == pngGrey || f.kind == pngGreyAlpha:
		out.g, out.b = 0, 0
	}
	return out
}
