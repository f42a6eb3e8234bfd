package image

import (
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// gifFrame is what the blocks before the first frame's data say. The transparent colour is kept as the palette has it, as the reference does.
type gifFrame struct {
	screenWidth, screenHeight int
	left, top, width, height  int
	palette                   []byte
	transparent               int // index, -1 for none
	interlaced                bool
	data                      []byte // from the width of a literal on
}

var errGIF = errors.New("damaged blocks before the first frame")

// readGIFFrame walks the blocks up to the first frame.
func readGIFFrame(b []byte) (gifFrame, error) {
	f := gifFrame{transparent: -1}
	if len(b) < 13 {
		return f, errHeaderShort
	}
	f.screenWidth, f.screenHeight = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	flags, b := b[10], b[13:]
	global, b, ok := colourTable(flags, b)
	for ok && len(b) > 0 {
		switch b[0] {
		case 0x21: // extension
			if len(b) >= 8 && b[1] == 0xF9 && b[2] == 4 && b[3]&1 != 0 {
				f.transparent = int(b[6])
			}
			blocks := 2
			if len(b) > 2 && b[1] != 0xFE { // but for a comment the first one is a header, which is not the end if it is empty
				blocks += 1 + int(b[2])
			}
			if b, ok = skipBlocks(b, blocks); !ok {
				return f, errGIF
			}
		case 0x2C: // frame
			if len(b) < 10 {
				return f, errHeaderShort
			}
			f.left, f.top = int(binary.LittleEndian.Uint16(b[1:])), int(binary.LittleEndian.Uint16(b[3:]))
			f.width, f.height = int(binary.LittleEndian.Uint16(b[5:])), int(binary.LittleEndian.Uint16(b[7:]))
			f.interlaced = b[9]&0x40 != 0
			f.palette, f.data, ok = colourTable(b[9], b[10:])
			if f.palette == nil {
				f.palette = global
			}
			switch {
			case !ok || f.palette == nil:
				return f, errors.New("no colour table")
			case f.left+f.width > f.screenWidth || f.top+f.height > f.screenHeight:
				return f, errors.New("frame outside of the screen")
			case len(f.data) < 1 || f.data[0] < 2 || f.data[0] > 8:
				return f, errors.New("no width of literals")
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

// gifPart is rows of a frame that follow each other in the file.
type gifPart struct{ first, step int }

var (
	gifWhole = []gifPart{{0, 1}}
	gifParts = []gifPart{{0, 8}, {4, 8}, {2, 4}, {1, 2}} // of an interlaced one
)

// gifBlocks are the bytes of sub-blocks, without their lengths. They end with the block that is empty.
type gifBlocks struct {
	b    []byte
	left int // of the block
}

// ReadByte is all that the unpacker calls.
func (g *gifBlocks) ReadByte() (byte, error) {
	for g.left == 0 {
		if len(g.b) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		if g.left = int(g.b[0]); g.left == 0 {
			return 0, io.EOF
		}
		g.b = g.b[1:]
	}
	if len(g.b) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	c := g.b[0]
	g.b, g.left = g.b[1:], g.left-1
	return c, nil
}

// Read reads one byte.
func (g *gifBlocks) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	if p[0], err = g.ReadByte(); err != nil {
		return 0, err
	}
	return 1, nil
}

// gifBuffers are what a reader keeps for GIF.
type gifBuffers struct {
	in  gifBlocks
	lzw *lzw.Reader
}

// unpack makes rows of the frame's data, in a picture of the screen's size.
func (g *gifBuffers) unpack(f *gifFrame, screen []byte) error {
	g.in = gifBlocks{b: f.data[1:]}
	if g.lzw == nil {
		g.lzw = lzw.NewReader(&g.in, lzw.LSB, int(f.data[0])).(*lzw.Reader)
	} else {
		g.lzw.Reset(&g.in, lzw.LSB, int(f.data[0]))
	}
	defer func() { g.in.b = nil }()
	parts := gifWhole
	if f.interlaced {
		parts = gifParts
	}
	for _, part := range parts {
		for y := part.first; y < f.height; y += part.step {
			if _, err := io.ReadFull(g.lzw, screen[(f.top+y)*f.screenWidth+f.left:][:f.width]); err != nil {
				return fmt.Errorf("not enough pixels: %w", err)
			}
		}
	}
	if _, ok := skipBlocks(g.in.b, g.in.left); !ok { // what follows the last pixel is passed over, as the reference does, but it must be there
		return errEnd
	}
	return nil
}

// decodeGIF reads the first frame, on a screen that is filled with the transparent colour if there is one, else with colour 0.
func (r *reader) decodeGIF(b []byte) (source, error) {
	f, err := readGIFFrame(b)
	if err != nil {
		return nil, err
	}
	out := &indexed{width: f.screenWidth, height: f.screenHeight, pix: r.room(f.screenWidth * f.screenHeight), stride: f.screenWidth, bits: 8}
	for i := range len(f.palette) / 3 {
		copy(out.colours[i][:], f.palette[3*i:])
	}
	if f.width < f.screenWidth || f.height < f.screenHeight {
		for i := range out.pix {
			out.pix[i] = byte(max(f.transparent, 0))
		}
	}
	if err := r.gif.unpack(&f, out.pix); err != nil {
		return nil, err
	}
	if colours := max(len(f.palette)/3, f.transparent+1); colours < 256 && slices.Max(out.pix) >= byte(colours) {
		return nil, fmt.Errorf("a pixel of colour %d of %d", slices.Max(out.pix), colours)
	}
	return out, nil
}
