package jpeg

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
)

// maxScans bounds the work that a small file can ask for: each scan of a progressive file passes over the whole picture.
const maxScans = 500

// Decoder decodes one picture after the other and keeps its buffers. The zero value is ready. It is for one goroutine at a time.
type Decoder struct {
	header   Header
	planes   []plane
	quant    [4]quantTable
	huff     [2][4]huffman // DC, AC
	interval int           // MCUs between restart markers, 0 for none
	jfif     bool
	adobe    int // colour transform of the Adobe marker, -1 without one
	scans    int
	scale    int
	dry      bool // Check
	picture  Picture
}

type quantTable struct {
	defined bool
	step    [64]uint16 // in natural order
}

// plane is one component on its way.
type plane struct {
	Component
	width, height int    // real samples
	across, down  int    // blocks that cover the real samples: those of a scan of this component alone
	size          int    // samples that a block becomes, in each direction: 8, less at a reduced scale
	stride        int    // bytes of a row of samples: whole MCUs
	samples       []byte // stride x rows of whole MCUs
	coefficients  []int16
	steps         [64]uint16 // quantisation as of its first scan
	seen          bool
	accuracy      [64]int8 // progressive, by zigzag place: lowest bit not sent yet; -1 if nothing was
	predictor     int32
}

// Decode decodes a whole file. The picture uses the decoder's buffers and is valid until the next call. Errors wrap
// ErrFormat or ErrUnsupported, or are ctx's.
func (d *Decoder) Decode(ctx context.Context, data []byte) (*Picture, error) {
	return d.DecodeReduced(ctx, data, 1)
}

// DecodeReduced is Decode at 1/scale of the picture's width and height, rounded up; scale is 1, 2, 4 or 8. What is left out is not computed:
// each block of 8 x 8 is transformed to fewer samples, as libjpeg does with scale_denom.
func (d *Decoder) DecodeReduced(ctx context.Context, data []byte, scale int) (*Picture, error) {
	if scale != 1 && scale != 2 && scale != 4 && scale != 8 {
		return nil, unsupported("scale of 1/%d", scale)
	}
	d.scale, d.dry = scale, false
	if err := d.walk(ctx, data); err != nil {
		return nil, err
	}
	return d.finish(ctx)
}

// Check is Decode without the entropy-coded data: what is refused by its headers is refused, and the header is returned of a file that a decoder in C may be
// given. That decoder still has to look at the data.
func (d *Decoder) Check(data []byte) (Header, error) {
	d.scale, d.dry = 1, true
	if err := d.walk(context.Background(), data); err != nil {
		return Header{}, err
	}
	return d.header, d.complete()
}

// walk goes through the segments of a file up to its end marker.
func (d *Decoder) walk(ctx context.Context, data []byte) error {
	if len(data) < 2 || data[0] != 0xFF || data[1] != markerSOI {
		return damaged("no start marker")
	}
	d.reset()
	s := segments{data: data, pos: 2}
	for {
		marker, body, err := s.next()
		switch {
		case errors.Is(err, errEnd):
			return damaged("ends before its end marker")
		case err != nil:
			return err
		case marker == markerEOI:
			return nil
		}
		if err := d.segment(ctx, marker, body, &s); err != nil {
			return err
		}
	}
}

// Bytes is the size of the buffers that the decoder keeps.
func (d *Decoder) Bytes() int64 {
	var n int64
	for _, p := range d.planes[:cap(d.planes)] {
		n += int64(cap(p.samples)) + 2*int64(cap(p.coefficients))
	}
	for _, l := range d.picture.lines {
		n += int64(cap(l.buf)) + 4*int64(cap(l.sums))
	}
	return n + 8*int64(cap(d.picture.words))
}

func (d *Decoder) reset() {
	d.header = Header{}
	d.planes = d.planes[:0]
	d.interval, d.jfif, d.adobe, d.scans = 0, false, -1, 0
	for i := range d.quant {
		d.quant[i].defined = false
		d.huff[0][i].defined = false
		d.huff[1][i].defined = false
	}
}

func (d *Decoder) segment(ctx context.Context, marker byte, body []byte, s *segments) error {
	switch {
	case isFrame(marker):
		return d.frame(marker, body)
	case marker == markerDQT:
		return d.parseQuant(body)
	case marker == markerDHT:
		return d.parseHuffman(body)
	case marker == markerDRI:
		if len(body) != 2 {
			return damaged("restart interval of %d bytes", len(body))
		}
		d.interval = int(binary.BigEndian.Uint16(body))
	case marker == markerSOS:
		return d.scan(ctx, body, s)
	case marker == markerAPP0:
		d.jfif = d.jfif || len(body) >= 14 && string(body[:5]) == "JFIF\x00"
	case marker == markerAPP14 && len(body) >= 12 && string(body[:5]) == "Adobe":
		d.adobe = int(body[11])
	case marker == markerSOI:
		return damaged("a second start marker")
	case marker == 0xC8 || marker == 0xCC:
		return unsupported("marker %#x", marker)
	}
	return nil
}

func (d *Decoder) parseQuant(b []byte) error {
	for len(b) > 0 {
		wide, slot := b[0]>>4, b[0]&15
		if wide > 1 || slot > 3 {
			return damaged("quantisation table %#x", b[0])
		}
		width := 1 + int(wide)
		if len(b) < 1+64*width {
			return damaged("quantisation table of %d bytes", len(b))
		}
		q := &d.quant[slot]
		q.defined = true
		for i := range 64 {
			if wide == 1 {
				q.step[natural[i]] = binary.BigEndian.Uint16(b[1+2*i:])
			} else {
				q.step[natural[i]] = uint16(b[1+i])
			}
		}
		b = b[1+64*width:]
	}
	return nil
}

// frame lays out the planes.
func (d *Decoder) frame(marker byte, body []byte) error {
	if len(d.header.Components) != 0 {
		return damaged("a second frame header")
	}
	h, err := parseFrame(marker, body)
	if err != nil {
		return err
	}
	d.header = h
	hmax, vmax := h.maxSampling()
	mcusAcross, mcusDown := ceilDiv(h.Width, 8*hmax), ceilDiv(h.Height, 8*vmax)
	if n := len(h.Components); cap(d.planes) < n {
		d.planes = slices.Grow(d.planes[:cap(d.planes)], n)
	}
	d.planes = d.planes[:len(h.Components)]
	for i, c := range h.Components {
		p := &d.planes[i]
		p.Component, p.seen, p.predictor = c, false, 0
		p.size = h.blockSize(c, d.scale)
		p.width, p.height = ceilDiv(h.Width*c.H*p.size, hmax*8), ceilDiv(h.Height*c.V*p.size, vmax*8)
		p.across, p.down = ceilDiv(ceilDiv(h.Width*c.H, hmax), 8), ceilDiv(ceilDiv(h.Height*c.V, vmax), 8)
		p.stride = mcusAcross * c.H * p.size
		blocks := mcusAcross * c.H * mcusDown * c.V
		for k := range p.accuracy {
			p.accuracy[k] = -1
		}
		if d.dry {
			continue
		}
		p.samples = grow(p.samples, blocks*p.size*p.size)
		if h.Progressive {
			p.coefficients = grow(p.coefficients, blocks*64)
			clear(p.coefficients)
		}
	}
	return nil
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// complete checks that the whole picture was sent.
func (d *Decoder) complete() error {
	if len(d.planes) == 0 {
		return damaged("no frame header")
	}
	for i := range d.planes {
		p := &d.planes[i]
		if !p.seen {
			return damaged("no scan of component %d", i)
		}
		if !d.header.Progressive {
			continue
		}
		// libjpeg smooths a picture whose lowest ten coefficients are not all there to their last bit.
		for k, a := range p.accuracy[:10] {
			if a != 0 {
				return unsupported("progressive file without all of coefficient %d", k)
			}
		}
	}
	return nil
}

// finish makes the picture ready to be read.
func (d *Decoder) finish(ctx context.Context) (*Picture, error) {
	if err := d.complete(); err != nil {
		return nil, err
	}
	for i := range d.planes {
		if !d.header.Progressive {
			break
		}
		if err := d.planes[i].transform(ctx); err != nil {
			return nil, err
		}
	}
	d.picture.prepare(d)
	return &d.picture, nil
}

// transform makes samples of all coefficients of a progressive file.
func (p *plane) transform(ctx context.Context) error {
	var b block
	for by := range p.down {
		if err := ctx.Err(); err != nil {
			return err
		}
		for bx := range p.across {
			c := (*[64]int16)(p.coefficients[p.index(bx, by):])
			last := 0
			for k, i := range natural {
				i &= 63
				if b[i] = int32(c[i]) * int32(p.steps[i]); c[i] != 0 {
					last = k
				}
			}
			b.inverseTo(p.size, last, p.samples[(by*p.stride+bx)*p.size:], p.stride)
		}
	}
	return nil
}

// index is where the coefficients of a block begin.
func (p *plane) index(bx, by int) int { return (by*p.stride/p.size + bx) * 64 }
