package jpeg

import (
	"bytes"
	"cmp"
	"context"
)

// scan is one pass over one or more components.
type scan struct {
	bits
	planes      []*plane
	dc, ac      []*huffman
	from, to    int  // spectral selection, in zigzag order
	high, low   uint // successive approximation
	endOfBand   int  // blocks still to come without new coefficients
	progressive bool
	interval    int
}

// scan decodes the scan whose header is body and whose data begin at s.pos.
func (d *Decoder) scan(ctx context.Context, body []byte, s *segments) error {
	if d.scans++; d.scans > maxScans {
		return unsupported("more than %d scans", maxScans)
	}
	sc, err := d.parseScan(body)
	if err != nil {
		return err
	}
	if d.dry {
		s.pos = skipEntropy(s.data, s.pos)
		return nil
	}
	sc.bits = bits{data: s.data, pos: s.pos}
	if len(sc.planes) == 1 {
		err = sc.single(ctx)
	} else {
		hmax, vmax := d.header.maxSampling()
		err = sc.interleaved(ctx, ceilDiv(d.header.Width, 8*hmax), ceilDiv(d.header.Height, 8*vmax))
	}
	s.pos = sc.pos
	return err
}

// skipEntropy is where the entropy-coded data from a place on end: at the next marker that is not of a restart.
func skipEntropy(data []byte, at int) int {
	for at < len(data) {
		n := bytes.IndexByte(data[at:], 0xFF)
		if n < 0 {
			break
		}
		at += n
		if at+1 < len(data) && data[at+1] != 0 && data[at+1] != 0xFF && (data[at+1] < markerRST0 || data[at+1] > markerRST7) {
			return at
		}
		at++
	}
	return len(data)
}

func (d *Decoder) parseScan(b []byte) (*scan, error) {
	if len(d.planes) == 0 {
		return nil, damaged("a scan before the frame header")
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] < 1 || b[0] > 4 {
		return nil, damaged("scan header of %d bytes", len(b))
	}
	n := int(b[0])
	tail := b[1+2*n:]
	sc := &scan{
		from: int(tail[0]), to: int(tail[1]), high: uint(tail[2] >> 4), low: uint(tail[2] & 15),
		progressive: d.header.Progressive, interval: d.interval,
	}
	if err := sc.checkBand(n); err != nil {
		return nil, err
	}
	blocks := 0
	for i := range n {
		p := d.planeByID(b[1+2*i])
		if p == nil {
			return nil, damaged("scan of an unknown component %d", b[1+2*i])
		}
		for _, q := range sc.planes {
			if q == p {
				return nil, damaged("component %d twice in a scan", p.ID)
			}
		}
		if err := d.admit(sc, p, b[2+2*i]>>4, b[2+2*i]&15); err != nil {
			return nil, err
		}
		blocks += p.H * p.V
	}
	if n > 1 && blocks > 10 {
		return nil, damaged("%d blocks in an MCU", blocks)
	}
	return sc, nil
}

// checkBand checks the progression parameters.
func (sc *scan) checkBand(components int) error {
	if !sc.progressive {
		sc.from, sc.to, sc.high, sc.low = 0, 63, 0, 0 // sequential files say so, and where they do not libjpeg goes by this too
		return nil
	}
	ok := sc.to <= 63 && sc.low <= 13 && (sc.high == 0 || sc.high == sc.low+1)
	if sc.from == 0 {
		ok = ok && sc.to == 0
	} else {
		ok = ok && sc.from <= sc.to && components == 1
	}
	if !ok {
		return damaged("progression %d-%d, %d-%d", sc.from, sc.to, sc.high, sc.low)
	}
	return nil
}

func (d *Decoder) planeByID(id byte) *plane {
	for i := range d.planes {
		if d.planes[i].ID == id {
			return &d.planes[i]
		}
	}
	return nil
}

// admit adds a component to a scan, with its tables.
func (d *Decoder) admit(sc *scan, p *plane, dc, ac byte) error {
	if dc > 3 || ac > 3 {
		return damaged("Huffman table %d, %d", dc, ac)
	}
	if !p.seen {
		if !d.quant[p.quantTable].defined {
			return damaged("quantisation table %d is missing", p.quantTable)
		}
		p.steps, p.seen = d.quant[p.quantTable].step, true
	}
	p.predictor = 0
	for class, needed := range []bool{sc.from == 0 && sc.high == 0, sc.to > 0} {
		if !needed {
			continue
		}
		if ok, err := d.huffmanFor(byte(class), [2]byte{dc, ac}[class]); err != nil || !ok {
			return cmp.Or(err, damaged("Huffman table %d, %d is missing", dc, ac))
		}
	}
	for k := sc.from; k <= sc.to; k++ {
		if sc.high != 0 && p.accuracy[k] != int8(sc.high) {
			return damaged("refinement of what was not sent")
		}
		p.accuracy[k] = int8(sc.low)
	}
	sc.planes = append(sc.planes, p)
	sc.dc, sc.ac = append(sc.dc, &d.huff[0][dc]), append(sc.ac, &d.huff[1][ac])
	return nil
}

// single decodes a scan of one component: block by block, those alone that hold real samples.
func (sc *scan) single(ctx context.Context) error {
	p := sc.planes[0]
	left, restarts := sc.interval, 0
	for by := range p.down {
		if err := ctx.Err(); err != nil {
			return err
		}
		for bx := range p.across {
			if err := sc.restartIfDue(&left, &restarts); err != nil {
				return err
			}
			if err := sc.block(0, bx, by); err != nil {
				return err
			}
		}
		if sc.overrun() {
			return damaged("entropy-coded data ends early")
		}
	}
	return nil
}

// interleaved decodes a scan of several components, MCU by MCU.
func (sc *scan) interleaved(ctx context.Context, across, down int) error {
	left, restarts := sc.interval, 0
	for my := range down {
		if err := ctx.Err(); err != nil {
			return err
		}
		for mx := range across {
			if err := sc.restartIfDue(&left, &restarts); err != nil {
				return err
			}
			for i, p := range sc.planes {
				for v := range p.V {
					for h := range p.H {
						if err := sc.block(i, mx*p.H+h, my*p.V+v); err != nil {
							return err
						}
					}
				}
			}
		}
		if sc.overrun() {
			return damaged("entropy-coded data ends early")
		}
	}
	return nil
}

// restartIfDue counts MCUs down to the next restart marker.
func (sc *scan) restartIfDue(left, restarts *int) error {
	if sc.interval == 0 {
		return nil
	}
	if *left == 0 {
		if err := sc.restart(*restarts); err != nil {
			return err
		}
		*restarts++
		*left = sc.interval
		sc.endOfBand = 0
		for _, p := range sc.planes {
			p.predictor = 0
		}
	}
	*left--
	return nil
}

var errCode = damaged("entropy-coded data with an impossible code")

// block decodes one block of component i of the scan.
func (sc *scan) block(i, bx, by int) error {
	p := sc.planes[i]
	if !sc.progressive {
		return sc.sequential(p, sc.dc[i], sc.ac[i], p.samples[(by*p.stride+bx)*p.size:])
	}
	c := (*[64]int16)(p.coefficients[p.index(bx, by):])
	switch {
	case sc.from == 0 && sc.high == 0:
		return sc.firstDC(p, sc.dc[i], c)
	case sc.from == 0:
		if sc.bit() {
			c[0] |= 1 << sc.low
		}
		return nil
	case sc.high == 0:
		return sc.firstAC(sc.ac[i], c)
	}
	return sc.refineAC(sc.ac[i], c)
}

// difference decodes a DC difference.
func (sc *scan) difference(h *huffman) (int32, error) {
	if sc.n < 32 {
		sc.fill()
	}
	if e := h.quick[sc.acc>>((sc.n-fastBits)&63)&(1<<fastBits-1)]; e != 0 {
		sc.n -= uint(e & 0xFF)
		return e >> 16, nil
	}
	k, ok := h.symbol(&sc.bits)
	if !ok || k > 15 {
		return 0, errCode
	}
	return extend(sc.take(uint(k)), uint(k)), nil
}

// sequential decodes a block whole and writes its samples.
func (sc *scan) sequential(p *plane, dc, ac *huffman, dst []byte) error {
	diff, err := sc.difference(dc)
	if err != nil {
		return err
	}
	p.predictor += diff
	var b block
	b[0] = int32(int16(p.predictor)) * int32(p.steps[0])
	last := 0
	acc, n := sc.acc, sc.n
	for k := 1; k < 64; k++ {
		if n < 32 {
			sc.acc, sc.n = acc, n
			sc.fill()
			acc, n = sc.acc, sc.n
		}
		if e := ac.quick[acc>>((n-fastBits)&63)&(1<<fastBits-1)]; e != 0 {
			n -= uint(e & 0xFF)
			if k += int(e >> 8 & 0xFF); k > 63 {
				return errCode
			}
			at := natural[k] & 63
			b[at] = e >> 16 * int32(p.steps[at])
			last = k
			continue
		}
		sc.acc, sc.n = acc, n
		rs, ok := ac.symbol(&sc.bits)
		if !ok {
			return errCode
		}
		size := uint(rs & 15)
		if size == 0 {
			acc, n = sc.acc, sc.n
			if rs != 0xF0 {
				break
			}
			k += 15
			continue
		}
		if k += int(rs >> 4); k > 63 {
			return errCode
		}
		at := natural[k] & 63
		b[at] = extend(sc.take(size), size) * int32(p.steps[at])
		acc, n = sc.acc, sc.n
		last = k
	}
	sc.acc, sc.n = acc, n
	b.inverseTo(p.size, last, dst, p.stride)
	return nil
}
