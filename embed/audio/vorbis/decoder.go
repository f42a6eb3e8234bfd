package vorbis

import (
	"bytes"
	"errors"
	"math"
)

// errPacket is what a packet gives that is none of sound, or whose kind does not exist.
var errPacket = errors.New("damaged packet")

// Decoder decodes the packets of sound of one stream in order.
type Decoder struct {
	head   Head
	header []byte // what setup was made of
	setup  *setup
	mix    bool
	blocks [2]*transform // short, long

	spectra [][]float32 // by channel
	points  []points
	silent  []bool
	subset  struct { // the channels of a submap
		x    [][]float32
		skip []bool
	}
	room  room
	value []float32   // the middle of a block
	rest  [][]float32 // of outputs: the second half of the middle of the block before
	prior int         // its size, 0 before the first
	out   [][]float32
}

// transform belongs to a size of blocks.
type transform struct {
	*mdct
	slope []float32 // the rising half of the window
}

func newTransform(n int) *transform {
	t := &transform{mdct: newMDCT(n), slope: make([]float32, n/2)}
	for i := range t.slope {
		s := math.Sin(math.Pi / 2 * (float64(i) + 0.5) / float64(n/2))
		t.slope[i] = float32(math.Sin(math.Pi / 2 * s * s))
	}
	return t
}

// New reads the setup header, a stream's third packet. mix makes one channel of all, their mean.
func New(h Head, setupHeader []byte, mix bool) (*Decoder, error) {
	s, err := parseSetup(setupHeader, h)
	if err != nil {
		return nil, err
	}
	d := &Decoder{head: h, header: bytes.Clone(setupHeader), setup: s, mix: mix, points: make([]points, h.Channels), silent: make([]bool, h.Channels)}
	d.blocks = [2]*transform{newTransform(h.short), newTransform(h.long)}
	outs := h.Channels
	if mix {
		outs = 1
	}
	d.value = make([]float32, h.long/2)
	for range h.Channels {
		d.spectra = append(d.spectra, make([]float32, h.long/2))
	}
	for range outs {
		d.rest = append(d.rest, make([]float32, h.long/4))
		d.out = append(d.out, make([]float32, h.long/2))
	}
	return d, nil
}

// Reset begins with another stream if its headers are what the decoder was made for, as they are of all files that one encoder made in one way; if not it returns false.
func (d *Decoder) Reset(h Head, setupHeader []byte, mix bool) bool {
	if h != d.head || mix != d.mix || !bytes.Equal(setupHeader, d.header) {
		return false
	}
	d.prior = 0
	return true
}

// kind is the size of a packet's block, and its mode; 0 if it is none.
func (d *Decoder) kind(r *bitReader) (n int, m *mode) {
	if r.read(1) != 0 {
		return 0, nil
	}
	k := r.read(ilog(len(d.setup.modes) - 1))
	if k >= len(d.setup.modes) || r.ended() {
		return 0, nil
	}
	if m = &d.setup.modes[k]; m.long {
		r.read(2) // sizes of the neighbours, which their own packets tell
		return d.head.long, m
	}
	return d.head.short, m
}

// Lengths tells the lengths of packets in samples without decoding them.
type Lengths struct {
	d     *Decoder
	prior int
}

// Lengths begins before the first packet.
func (d *Decoder) Lengths() Lengths { return Lengths{d: d} }

// Next is how many samples packet, the next one, will make; ok is false if it is damaged. The first makes none.
func (l *Lengths) Next(packet []byte) (samples int, ok bool) {
	n, _ := l.d.kind(&bitReader{b: packet})
	if n == 0 {
		return 0, false
	}
	if l.prior > 0 {
		samples = l.prior/4 + n/4
	}
	l.prior = n
	return samples, true
}

// Decode makes a packet's samples, by channel, or their mean: those between the middle of the block before and the middle of this one. They are valid until the next call.
func (d *Decoder) Decode(packet []byte) ([][]float32, error) {
	r := bitReader{b: packet}
	n, m := d.kind(&r)
	if n == 0 {
		return nil, errPacket
	}
	for c := range d.spectra {
		d.spectra[c] = d.spectra[c][:n/2]
		clear(d.spectra[c])
	}
	d.read(&r, &d.setup.mappings[m.mapping])
	if d.mix {
		d.add()
	}
	t := d.blocks[0]
	if m.long {
		t = d.blocks[1]
	}
	samples := d.prior/4 + n/4
	if d.prior == 0 {
		samples = 0
	}
	for o := range d.out {
		t.run(d.spectra[o], d.value)
		d.out[o] = d.out[o][:samples]
		if samples > 0 {
			d.overlap(d.rest[o], d.value[:n/4], d.out[o], n)
		}
		copy(d.rest[o], d.value[n/4:n/2])
	}
	d.prior = n
	return d.out, nil
}

// add makes the mean of all channels in the first.
func (d *Decoder) add() {
	if len(d.spectra) == 1 {
		return
	}
	x := d.spectra[0]
	for _, y := range d.spectra[1:] {
		for i, v := range y[:len(x)] {
			x[i] += v
		}
	}
	k := 1 / float32(len(d.spectra))
	for i := range x {
		x[i] *= k
	}
}

// read decodes the spectra of all channels. Where the packet ends early, what is missing is zero.
func (d *Decoder) read(r *bitReader, m *mapping) {
	s := d.setup
	for c := range d.silent {
		d.silent[c] = !s.floors[m.floors[m.mux[c]]].read(r, s.books, &d.points[c])
	}
	var quiet [256]bool // without a floor
	copy(quiet[:], d.silent)
	for _, p := range m.couplings {
		if !d.silent[p.magnitude] || !d.silent[p.angle] {
			d.silent[p.magnitude], d.silent[p.angle] = false, false
		}
	}
	for k, f := range m.residues {
		d.subset.x, d.subset.skip = d.subset.x[:0], d.subset.skip[:0]
		for c, mux := range m.mux {
			if mux == k {
				d.subset.x, d.subset.skip = append(d.subset.x, d.spectra[c]), append(d.subset.skip, d.silent[c])
			}
		}
		if len(d.subset.x) > 0 {
			s.residues[f].read(r, s.books, d.subset.x, d.subset.skip, &d.room)
		}
	}
	for i := len(m.couplings) - 1; i >= 0; i-- {
		decouple(d.spectra[m.couplings[i].magnitude], d.spectra[m.couplings[i].angle])
	}
	for c, x := range d.spectra {
		if quiet[c] {
			clear(x)
			continue
		}
		s.floors[m.floors[m.mux[c]]].apply(&d.points[c], x)
	}
}

// decouple makes two channels of magnitude and angle.
func decouple(magnitude, angle []float32) {
	angle = angle[:len(magnitude)]
	for i, m := range magnitude {
		a := angle[i]
		switch {
		case m > 0 && a > 0:
			angle[i] = m - a
		case m > 0:
			magnitude[i], angle[i] = m+a, m
		case a > 0:
			angle[i] = m + a
		default:
			magnitude[i], angle[i] = m-a, m
		}
	}
}

// overlap makes out of the second half of the block before, whose quarter is rest, and the first half of this one, of size n, whose quarter is y. Both halves mirror their quarter.
func (d *Decoder) overlap(rest, y, out []float32, n int) {
	pq, q := d.prior/4, n/4
	over := min(pq, q)
	slope := d.blocks[0].slope
	if min(d.prior, n) == d.head.long {
		slope = d.blocks[1].slope
	}
	slope = slope[:2*over]
	// Before the overlap the block before stands alone, behind it this one.
	copy(out, rest[:pq-over])
	if q > over {
		copy(out[pq+over:], y[over:q])
	}
	mid := out[pq-over : pq+over]
	p := rest[pq-over : pq]
	y = y[:over]
	for i, v := range p {
		k := over - 1 - i
		u := y[k]
		mid[i] = v*slope[2*over-1-i] - u*slope[i]
		mid[2*over-1-i] = v*slope[i] + u*slope[2*over-1-i]
	}
}
