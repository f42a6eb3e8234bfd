package vp8l

import (
	"context"
	"errors"
	"fmt"
)

// What can be wrong.
var (
	errHeader    = errors.New("no lossless WebP data")
	errShort     = errors.New("lossless WebP data end early")
	errCode      = errors.New("a prefix code that is none")
	errCache     = errors.New("a cache of colours of a size that is not allowed")
	errTransform = errors.New("a transform twice")
	errDistance  = errors.New("a repeat of pixels in front of the first one")
	errLength    = errors.New("a repeat of pixels behind the last one")
	errTables    = errors.New("prefix codes take more memory than any encoder has use for")
)

// Decoder decodes one picture after the other and keeps its buffers. The zero value is ready. It is for one goroutine at a time.
type Decoder struct {
	in          bitReader
	tables      []entry // of the groups in use, one behind the other
	mostEntries int     // in tables
	groups      []group
	numbers     []int32 // of the groups that are in use, by their number in the file
	order       []entry // table of the code for lengths of codes
	lengths     [len(greenMeaning)]uint8
	cache       []uint32
	pixels      []uint32
	blocks      []uint32 // the group of each block of a picture, in its second and third byte
	transforms  [4]transform
	applied     []int // which of these, in the file's order
	picture     Picture
}

// Bytes is the size of the buffers that d keeps.
func (d *Decoder) Bytes() int64 {
	n := cap(d.tables) + cap(d.order) + cap(d.numbers) + cap(d.cache) + cap(d.pixels) + cap(d.blocks)
	for i := range d.transforms {
		n += cap(d.transforms[i].data)
	}
	return 4*int64(n) + 100*int64(cap(d.groups))
}

// Memory bounds what decoding a picture of so many pixels takes: four bytes for each, one for what is kept of blocks, which have 16 pixels or more, and four for the tables of prefix codes, of which a small picture may have more. Tables that take
// more than that are refused; libwebp's encoder has use for a tenth of it.
func Memory(pixels int64) int64 { return 5*pixels + 512<<10 + memoryOfTables(pixels) }

func memoryOfTables(pixels int64) int64 { return 4*pixels + 1<<20 }

// Size reads a picture's size.
func Size(b []byte) (width, height int, err error) {
	if len(b) < 5 || b[0] != 0x2F || b[4]>>5 != 0 {
		return 0, 0, errHeader
	}
	v := uint32(b[1]) | uint32(b[2])<<8 | uint32(b[3])<<16 | uint32(b[4])<<24
	return int(v&0x3FFF) + 1, int(v>>14&0x3FFF) + 1, nil
}

// Decode decodes a picture, which must have the given size. It is valid until the next. It ends early with ctx's error.
func (d *Decoder) Decode(ctx context.Context, b []byte, width, height int) (*Picture, error) {
	w, h, err := Size(b)
	if err != nil {
		return nil, err
	}
	if w != width || h != height {
		return nil, fmt.Errorf("frame of %d x %d, announced as %d x %d", w, h, width, height)
	}
	d.in = bitReader{src: b, at: 5}
	defer func() { d.in.src = nil }()
	if err := d.read(ctx, w, h); err != nil {
		if d.in.ended() && ctx.Err() == nil {
			return nil, errShort // which is why it made no sense
		}
		return nil, err
	}
	return d.undo(ctx, width, height)
}

// read reads transforms and the picture.
func (d *Decoder) read(ctx context.Context, width, height int) error {
	d.mostEntries = int(memoryOfTables(int64(width)*int64(height)) / 10) // of 4 bytes, in room that is half larger, with the room before
	d.applied = d.applied[:0]
	var seen [len(d.transforms)]bool
	w := width
	for d.in.flag() {
		kind := d.in.take(2)
		if seen[kind] {
			return errTransform
		}
		seen[kind] = true
		var err error
		if w, err = d.readTransform(ctx, kind, w, height); err != nil {
			return err
		}
	}
	n := w * height
	if len(d.applied) > 0 && d.applied[0] == numbered { // to be undone row by row, without room for all
		d.pixels = sized(d.pixels, n)
	} else {
		d.pixels = sized(d.pixels, width*height)[:n]
	}
	return d.readPicture(ctx, w, height)
}

// readPicture reads the pixels of the picture proper, which may have several groups of codes.
func (d *Decoder) readPicture(ctx context.Context, w, h int) error {
	cacheBits, err := d.readCache()
	if err != nil {
		return err
	}
	l := layout{width: w, cacheBits: cacheBits}
	n, numbers := 1, []int32(nil)
	if d.in.flag() {
		l.blockBits = 2 + uint(d.in.take(3))
		l.blocksWide = blocks(w, l.blockBits)
		d.blocks = sized(d.blocks, l.blocksWide*blocks(h, l.blockBits))
		if err := d.readPlain(ctx, d.blocks, l.blocksWide); err != nil {
			return err
		}
		if numbers, err = d.number(); err != nil {
			return err
		}
		n = len(numbers)
	}
	if err := d.readGroups(ctx, n, numbers, cacheBits); err != nil {
		return err
	}
	return d.readPixels(ctx, d.pixels, l)
}

// number gives the groups that blocks name numbers without gaps, and the blocks these numbers: a file may have groups that no block uses.
func (d *Decoder) number() ([]int32, error) {
	most := uint32(0)
	for i, v := range d.blocks {
		d.blocks[i] = v >> 8 & 0xFFFF
		most = max(most, d.blocks[i])
	}
	if int(most) >= cap(d.numbers) {
		d.numbers = make([]int32, most+1)
	}
	numbers := d.numbers[:most+1]
	for i := range numbers {
		numbers[i] = -1
	}
	n := int32(0)
	for i, v := range d.blocks {
		if numbers[v] < 0 {
			numbers[v] = n
			n++
		}
		d.blocks[i] = uint32(numbers[v])
	}
	if int(n) > d.mostEntries>>greenBits {
		return nil, errTables
	}
	if int(n) > cap(d.groups) {
		d.groups = make([]group, n)
	}
	d.groups = d.groups[:n]
	return numbers, nil
}

// readPlain reads pixels that have one group of codes: what transforms or groups go by.
func (d *Decoder) readPlain(ctx context.Context, out []uint32, w int) error {
	cacheBits, err := d.readCache()
	if err != nil {
		return err
	}
	if err := d.readGroups(ctx, 1, nil, cacheBits); err != nil {
		return err
	}
	return d.readPixels(ctx, out, layout{width: w, cacheBits: cacheBits})
}

// readCache reads whether there is a cache of colours, and how many bits a place in it has; 0: none.
func (d *Decoder) readCache() (bits uint, err error) {
	if !d.in.flag() {
		return 0, nil
	}
	if bits = uint(d.in.take(4)); bits < 1 || bits > maxCache {
		return 0, errCache
	}
	return bits, nil
}

// blocks is how many blocks of 1 << bits pixels cover n.
func blocks(n int, bits uint) int { return (n + 1<<bits - 1) >> bits }

// sized is b with a length of n, or new room, with whatever is in it.
func sized(b []uint32, n int) []uint32 {
	if cap(b) < n {
		return make([]uint32, n)
	}
	return b[:n]
}
