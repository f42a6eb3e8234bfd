package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/image/ccitt"

	"vecmill/embed/image/inflate"
	"vecmill/embed/image/jpeg"
)

// More of TIFF's tags.
const (
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripCounts     = 279
	tagPlanar          = 284
	tagT4Options       = 292
	tagPredictor       = 317
	tagColourMap       = 320
	tagTileLength      = 323
	tagTileOffsets     = 324
	tagTileCounts      = 325
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
)

// What pixels mean.
const (
	whiteIsZero = 0
	blackIsZero = 1
	tiffRGB     = 2
	tiffPalette = 3
	tiffCMYK    = 5
	tiffYCbCr   = 6
)

// tiffFile is the first picture of a TIFF file.
type tiffFile struct {
	b           []byte
	order       binary.ByteOrder
	tags        map[uint16][]int64
	tables      []byte // of JPEG
	w, h        int
	depth       int // bits of a sample
	samples     int // of a pixel
	photometric int64
	compression int64
	planar      bool  // a plane for each sample
	extra       int64 // what the first sample behind the colours is: 0 unknown, 1 premultiplying alpha, 2 alpha, -1 for none
}

// readTIFFFile reads the first directory whole.
func readTIFFFile(b []byte, width, height int) (*tiffFile, error) {
	f := &tiffFile{b: b, order: binary.LittleEndian, tags: map[uint16][]int64{}, w: width, h: height, extra: -1}
	if b[0] == 'M' {
		f.order = binary.BigEndian
	}
	at := int64(f.order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return nil, errHeaderShort
	}
	n := int64(f.order.Uint16(b[at:]))
	if at+2+12*n > int64(len(b)) {
		return nil, errHeaderShort
	}
	for i := range n {
		if err := f.entry(b[at+2+12*i:]); err != nil {
			return nil, err
		}
	}
	return f, f.interpret()
}

// entry reads one entry of the directory.
func (f *tiffFile) entry(e []byte) error {
	tag, kind, count := f.order.Uint16(e), f.order.Uint16(e[2:]), int64(f.order.Uint32(e[4:]))
	size := map[uint16]int64{1: 1, 3: 2, 4: 4, 7: 1}[kind]
	if size == 0 || count == 0 {
		return nil // of no use here
	}
	value := e[8:12]
	if size*count > 4 {
		from := int64(f.order.Uint32(value))
		if from+size*count > int64(len(f.b)) {
			return fmt.Errorf("tag %d lies outside of the file", tag)
		}
		value = f.b[from : from+size*count]
	}
	if tag == tagJPEGTables {
		f.tables = value[:count]
		return nil
	}
	if count > 1<<22 {
		return fmt.Errorf("tag %d has %d values", tag, count)
	}
	if tag < tagWidth || kind == 7 {
		return nil
	}
	switch tag {
	case 700, 33723, 34377, 34665, 34675: // metadata
		return nil
	}
	v := make([]int64, count)
	for i := range v {
		switch size {
		case 1:
			v[i] = int64(value[i])
		case 2:
			v[i] = int64(f.order.Uint16(value[2*i:]))
		default:
			v[i] = int64(f.order.Uint32(value[4*i:]))
		}
	}
	f.tags[tag] = v
	return nil
}

// first is the first value of a tag.
func (f *tiffFile) first(tag uint16, silent int64) int64 {
	if v := f.tags[tag]; len(v) > 0 {
		return v[0]
	}
	return silent
}

// interpret says what the tags mean together, or what of it is not read.
func (f *tiffFile) interpret() error {
	if f.first(tagWidth, 0) != int64(f.w) || f.first(tagHeight, 0) != int64(f.h) {
		return fmt.Errorf("the directory says %d x %d and %d x %d", f.w, f.h, f.first(tagWidth, 0), f.first(tagHeight, 0))
	}
	f.compression, f.photometric = f.first(tagCompression, 1), f.first(tagPhotometric, -1)
	f.planar = f.first(tagPlanar, 1) == 2
	depths := f.tags[tagBitsPerSample]
	if len(depths) == 0 {
		depths = []int64{1}
	}
	f.samples = int(min(f.first(tagSamplesPerPixel, int64(len(depths))), 1<<16))
	f.depth = int(min(depths[0], 1<<16))
	for _, d := range depths {
		if int(d) != f.depth {
			return fmt.Errorf("samples of %v bits are not read", depths)
		}
	}
	for _, v := range f.tags[tagSampleFormat] {
		if v != 1 {
			return errors.New("samples that are not unsigned integers are not read")
		}
	}
	colours := map[int64]int{whiteIsZero: 1, blackIsZero: 1, tiffRGB: 3, tiffPalette: 1, tiffCMYK: 4, tiffYCbCr: 3}[f.photometric]
	if f.samples > colours {
		f.extra = f.first(tagExtraSamples, 2)
	}
	deep := f.depth == 16 && f.photometric != tiffPalette && f.photometric != tiffYCbCr
	packed := f.depth < 8 && f.depth&(f.depth-1) == 0 && f.samples == 1
	switch {
	case colours == 0:
		return fmt.Errorf("photometric interpretation %d is not read", f.photometric)
	case f.samples < colours || f.samples > colours+3 || f.depth < 1 || f.depth != 8 && !deep && !packed:
		return fmt.Errorf("%d samples of %d bits in photometric interpretation %d are not read", f.samples, f.depth, f.photometric)
	case deep && f.extra == 1:
		return errors.New("premultiplied colours of 16 bits are not read")
	case f.photometric == tiffYCbCr && f.compression != 7:
		return errors.New("YCbCr is read in JPEG compression alone")
	case f.planar && f.samples > 1 && (f.photometric != tiffRGB || f.extra == 1 || f.depth < 8):
		return errors.New("planes of these colours are not read")
	case f.photometric == tiffPalette && len(f.tags[tagColourMap]) < 3<<f.depth:
		return errors.New("no colour map")
	}
	return nil
}

// block is a strip or a tile of one plane, or of all.
type tiffBlock struct {
	x, y, w, h int // w and h as they are stored
	samples    int
	data       []byte
}

// blocks calls do with each strip or tile, unpacked. plane is the sample that it holds, or 0 for all of them.
func (f *tiffFile) blocks(ctx context.Context, u *unpacker, do func(plane int, b *tiffBlock) error) error {
	offsets, counts := f.tags[tagStripOffsets], f.tags[tagStripCounts]
	bw, bh := int64(f.w), min(f.first(tagRowsPerStrip, int64(f.h)), int64(f.h))
	if tiled := f.first(tagTileWidth, 0); tiled > 0 {
		offsets, counts = f.tags[tagTileOffsets], f.tags[tagTileCounts]
		bw, bh = tiled, f.first(tagTileLength, 0)
		// Tiles may stand out of the picture, but not by much: memory is reserved by its size.
		if bw >= max(int64(f.w)+16, 1024) || bh >= max(int64(f.h)+16, 1024) {
			return fmt.Errorf("tiles of %d x %d", bw, bh)
		}
	}
	if bw < 1 || bh < 1 {
		return fmt.Errorf("strips or tiles of %d x %d", bw, bh)
	}
	across, down := (f.w+int(bw)-1)/int(bw), (f.h+int(bh)-1)/int(bh)
	planes, samples := 1, f.samples
	if f.planar && f.samples > 1 {
		planes, samples = f.samples, 1
	}
	if len(offsets) < across*down*planes || len(counts) < len(offsets) {
		return fmt.Errorf("%d strips or tiles of %d", min(len(offsets), len(counts)), across*down*planes)
	}
	u.file = f
	defer func() { u.file = nil }()
	for i := range across * down * planes {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := i % (across * down)
		b := tiffBlock{x: at % across * int(bw), y: at / across * int(bh), w: int(bw), h: int(bh), samples: samples}
		if f.first(tagTileWidth, 0) == 0 {
			b.h = min(b.h, f.h-b.y)
		}
		if offsets[i] > int64(len(f.b)) || counts[i] > int64(len(f.b))-offsets[i] {
			return errEnd
		}
		if err := u.unpack(ctx, &b, f.b[offsets[i]:offsets[i]+counts[i]]); err != nil {
			return err
		}
		if err := do(i/(across*down), &b); err != nil {
			return err
		}
	}
	return nil
}

// unpacker undoes the compression of blocks, in buffers that it keeps.
type unpacker struct {
	file     *tiffFile
	buf      []byte
	raw      []byte // with its bits in order
	jpeg     jpeg.Decoder
	inflater inflate.Decoder
	lzw      *lzwDecoder // nil before the first block that needs it
}

// bytes is the size of the buffers.
func (u *unpacker) bytes() int64 {
	return int64(cap(u.buf)+cap(u.raw)) + u.jpeg.Bytes() + u.inflater.Bytes()
}

// unpack fills b.data: rows of whole bytes.
func (u *unpacker) unpack(ctx context.Context, b *tiffBlock, raw []byte) error {
	f := u.file
	stride := (b.w*b.samples*f.depth + 7) / 8
	size := stride * b.h
	if f.compression == 7 {
		return u.unpackJPEG(ctx, b, raw)
	}
	if f.first(tagFillOrder, 1) == 2 {
		u.raw = append(u.raw[:0], raw...)
		for i, v := range u.raw {
			u.raw[i] = bits.Reverse8(v)
		}
		raw = u.raw
	}
	if f.compression == 1 {
		if len(raw) < size {
			return errEnd
		}
		if b.data = raw[:size]; f.first(tagPredictor, 1) == 1 {
			return nil
		}
		raw = b.data
	}
	if cap(u.buf) < size {
		u.buf = make([]byte, size)
	}
	b.data = u.buf[:size]
	if err := u.fill(ctx, b, raw); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return f.predicted(b, stride)
}

// fill undoes a compression that gives bytes.
func (u *unpacker) fill(ctx context.Context, b *tiffBlock, raw []byte) error {
	switch u.file.compression {
	case 5:
		if u.lzw == nil {
			u.lzw = new(lzwDecoder)
		}
		return u.lzw.decode(b.data, raw)
	case 8, 32946:
		return u.inflater.Zlib(ctx, b.data, raw)
	}
	r, err := u.file.reader(b, raw)
	if err != nil {
		return err
	}
	fax := u.file.compression == 3 || u.file.compression == 4
	if _, err := io.ReadFull(r, b.data); err != nil && fax {
		return fmt.Errorf("fax: %w", err)
	} else if err != nil {
		return err
	}
	if fax {
		for i := range b.data { // its reader gives white as ones
			b.data[i] = ^b.data[i]
		}
	}
	return nil
}

// reader undoes one of the compressions that give bytes.
func (f *tiffFile) reader(b *tiffBlock, raw []byte) (io.Reader, error) {
	in := bytes.NewReader(raw)
	switch f.compression {
	case 1:
		return in, nil
	case 3, 4:
		kind := ccitt.Group4
		if f.compression == 3 {
			if kind = ccitt.Group3; f.first(tagT4Options, 0)&1 != 0 {
				return nil, errors.New("fax compression, group 3 in two dimensions, is not read")
			}
		}
		if f.depth != 1 || b.samples != 1 {
			return nil, errors.New("fax compression of more than one bit")
		}
		return ccitt.NewReader(in, ccitt.MSB, kind, b.w, b.h, nil), nil
	case 32773:
		return &packBits{in: raw}, nil
	}
	names := map[int64]string{2: "fax without line ends", 6: "JPEG of the old kind", 34712: "JPEG 2000", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}
	if name := names[f.compression]; name != "" {
		return nil, fmt.Errorf("compression %d (%s) is not read", f.compression, name)
	}
	return nil, fmt.Errorf("compression %d is not read", f.compression)
}

// predicted undoes the differences of neighbours.
func (f *tiffFile) predicted(b *tiffBlock, stride int) error {
	switch p := f.first(tagPredictor, 1); {
	case p == 1 || f.compression != 5 && f.compression != 8 && f.compression != 32946:
		return nil
	case p != 2 || f.depth != 8 && f.depth != 16:
		return fmt.Errorf("predictor %d of %d bits is not read", p, f.depth)
	}
	for y := range b.h {
		row := b.data[y*stride : (y+1)*stride]
		if f.depth == 8 {
			for x := b.samples; x < len(row); x++ {
				row[x] += row[x-b.samples]
			}
			continue
		}
		for x := 2 * b.samples; x+1 < len(row); x += 2 {
			f.order.PutUint16(row[x:], f.order.Uint16(row[x:])+f.order.Uint16(row[x-2*b.samples:]))
		}
	}
	return nil
}

// unpackJPEG decodes a block that is a JPEG picture, whose tables may be in the directory. TIFF says what its colours are: as Adobe's marker would.
func (u *unpacker) unpackJPEG(ctx context.Context, b *tiffBlock, raw []byte) error {
	f := u.file
	if f.depth != 8 || b.samples != 1 && b.samples != 3 || f.photometric == tiffCMYK || f.photometric == tiffPalette {
		return errors.New("JPEG compression of these colours is not read")
	}
	file := []byte{0xFF, 0xD8}
	if f.photometric == tiffRGB || f.photometric == tiffYCbCr {
		transform := byte(0)
		if f.photometric == tiffYCbCr {
			transform = 1
		}
		file = append(file, 0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, transform)
	}
	if t := f.tables; len(t) > 4 {
		file = append(file, t[2:len(t)-2]...)
	}
	if len(raw) < 4 {
		return errEnd
	}
	file = append(file, raw[2:]...)
	h, err := jpeg.ReadHeader(file)
	if err != nil {
		return err
	}
	if h.Width != b.w || h.Height < b.h || h.Height > b.h+16 || len(h.Components) != b.samples {
		return fmt.Errorf("a block of %d x %d, announced as %d x %d", h.Width, h.Height, b.w, b.h)
	}
	p, err := u.jpeg.Decode(ctx, file)
	if err != nil {
		return err
	}
	line := make([]byte, 3*b.w)
	if n := b.w * b.samples * b.h; cap(u.buf) < n {
		u.buf = make([]byte, n)
	}
	b.data = u.buf[:b.w*b.samples*b.h]
	for y := range b.h {
		p.Row(line, y)
		if out := b.data[y*b.w*b.samples:]; b.samples == 3 {
			copy(out, line)
		} else {
			for x := range b.w {
				out[x] = line[3*x]
			}
		}
	}
	return nil
}

// packBits undoes TIFF's run lengths.
type packBits struct {
	in   []byte
	left int  // of the run or the stretch
	run  bool // its byte is in[0]
}

// Read gives unpacked bytes.
func (p *packBits) Read(out []byte) (int, error) {
	n := 0
	for n < len(out) {
		if p.left == 0 {
			if len(p.in) == 0 {
				return n, io.EOF
			}
			c := int(int8(p.in[0]))
			p.in = p.in[1:]
			switch {
			case c == -128:
				continue
			case c < 0:
				p.left, p.run = 1-c, true
			default:
				p.left, p.run = c+1, false
			}
		}
		if len(p.in) == 0 {
			return n, io.EOF
		}
		if p.run {
			out[n] = p.in[0]
		} else {
			out[n] = p.in[0]
			p.in = p.in[1:]
		}
		n++
		if p.left--; p.left == 0 && p.run {
			p.in = p.in[1:]
		}
	}
	return n, nil
}
