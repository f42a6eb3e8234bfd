package inflate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
)

// What can be wrong.
var (
	ErrHeader   = errors.New("no zlib data")
	ErrCorrupt  = errors.New("damaged deflate data")
	ErrChecksum = errors.New("checksum of zlib data is wrong")
	ErrShort    = errors.New("deflate data end early")
)

// Decoder inflates one stream after the other. The zero value is ready. It is for one goroutine at a time.
type Decoder struct {
	src    []byte
	at     int    // in src
	bits   uint64 // not yet used, the next in the lowest
	n      uint   // how many
	beyond uint   // of these, how many are behind the end of src: zeros

	dst []byte
	out int // in dst

	literals, distances []entry    // in use
	rooms               [3][]entry // for those that blocks bring: literals, distances, and the code of their lengths
	lengths             [literals + distances]uint8
}

// Bytes is the size of the tables that d keeps.
func (d *Decoder) Bytes() int64 {
	return 4 * int64(cap(d.rooms[0])+cap(d.rooms[1])+cap(d.rooms[2]))
}

// Zlib fills dst with what src holds. It fails with ErrShort if that is less. If it is exactly that much, its checksum must be right where it is there; what follows is left alone, as zlib does that is asked for so many bytes. It ends early
// with ctx's error, which is looked at between blocks.
func (d *Decoder) Zlib(ctx context.Context, dst, src []byte) error {
	if len(src) < 2 {
		return ErrShort
	}
	if src[0]&15 != 8 || src[0]>>4 > 7 || (int(src[0])<<8|int(src[1]))%31 != 0 || src[1]&0x20 != 0 {
		return ErrHeader
	}
	d.src, d.at, d.bits, d.n, d.beyond = src, 2, 0, 0, 0
	d.dst, d.out = dst, 0
	defer func() { d.src, d.dst = nil, nil }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		last, err := d.block()
		switch {
		case d.out == len(dst) && (errors.Is(err, errFull) || errors.Is(err, ErrShort)):
			return nil
		case err != nil:
			return err
		case last && d.out < len(dst):
			return ErrShort
		case last:
			return d.checksum()
		}
	}
}

// errEndless is about codes that cannot end their block: zlib refuses them at once.
var errEndless = fmt.Errorf("%w: a code without an end", ErrCorrupt)

// errFull says that there is more than the room takes.
var errFull = errors.New("more data than room")

// checksum compares what follows the last block, if it is there.
func (d *Decoder) checksum() error {
	d.at -= int(d.n-d.beyond) / 8 // whole bytes that were not used
	if at := d.at; len(d.src)-at >= 4 && binary.BigEndian.Uint32(d.src[at:]) != adler32.Checksum(d.dst) {
		return ErrChecksum
	}
	return nil
}

// need sees to it that n bits, at most 56, are there. Behind the end of src are zeros, as many as may be looked at.
func (d *Decoder) need(n uint) {
	for d.n < n {
		if d.at < len(d.src) {
			d.bits |= uint64(d.src[d.at]) << d.n
			d.at++
		} else {
			d.beyond += 8
		}
		d.n += 8
	}
}

// take uses n bits of those that are there.
func (d *Decoder) take(n uint) int {
	v := int(d.bits & (1<<n - 1))
	d.bits >>= n
	d.n -= n
	return v
}

// ended says that more was used than there is.
func (d *Decoder) ended() bool { return d.beyond > d.n }

// block undoes one block.
func (d *Decoder) block() (last bool, err error) {
	d.need(3)
	last = d.take(1) == 1
	kind := d.take(2)
	if d.ended() {
		return false, ErrShort
	}
	switch kind {
	case 0:
		return last, d.stored()
	case 1:
		d.literals, d.distances = fixedLiterals, fixedDistances
	case 2:
		if err := d.codes(); err != nil {
			return false, err
		}
	default:
		return false, ErrCorrupt
	}
	return last, d.compressed()
}

// stored copies bytes as they are.
func (d *Decoder) stored() error {
	d.take(d.n & 7)
	d.need(32)
	n, inverted := d.take(16), d.take(16)
	if d.ended() {
		return ErrShort
	}
	if n^inverted != 0xFFFF {
		return ErrCorrupt
	}
	for ; d.n > d.beyond && n > 0; n-- { // bytes that are in hand
		if d.out == len(d.dst) {
			return errFull
		}
		d.dst[d.out] = byte(d.take(8))
		d.out++
	}
	k := copy(d.dst[d.out:], d.src[d.at:min(d.at+n, len(d.src))])
	d.at += k
	d.out += k
	switch {
	case k == n:
		return nil
	case d.at == len(d.src):
		return ErrShort
	}
	return errFull
}

// orderOfLengths is in which order the lengths of the code for code lengths come.
var orderOfLengths = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

var orderSymbols = func() (s [19]entry) {
	for i := range s {
		s[i] = entry(i) << 16
	}
	return s
}()

// codes reads the two codes of a block that brings its own.
func (d *Decoder) codes() error {
	d.need(14)
	nl, nd, no := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if nl > 286 || nd > 30 {
		return ErrCorrupt
	}
	var order [19]uint8
	for _, i := range orderOfLengths[:no] {
		d.need(3)
		order[i] = uint8(d.take(3))
	}
	table := build(d.rooms[2], orderBits, order[:], orderSymbols[:])
	if table == nil {
		return d.corrupt()
	}
	d.rooms[2] = table
	for i := 0; i < nl+nd; {
		d.need(orderBits + 7)
		e := table[d.bits&(1<<orderBits-1)]
		if e&special != 0 {
			return d.corrupt()
		}
		d.take(e.Bits())
		v, n := uint8(e.Value()), 1
		switch v {
		case 16:
			if i == 0 {
				return d.corrupt()
			}
			v, n = d.lengths[i-1], 3+d.take(2)
		case 17:
			v, n = 0, 3+d.take(3)
		case 18:
			v, n = 0, 11+d.take(7)
		}
		if i+n > nl+nd {
			return d.corrupt()
		}
		for range n {
			d.lengths[i] = v
			i++
		}
	}
	if d.ended() {
		return ErrShort
	}
	if d.lengths[256] == 0 {
		return errEndless
	}
	d.literals = build(d.rooms[0], literalBits, d.lengths[:nl], literalSymbols[:])
	d.distances = build(d.rooms[1], distanceBits, d.lengths[nl:nl+nd], distanceSymbols[:])
	if d.literals == nil || d.distances == nil {
		return ErrCorrupt
	}
	d.rooms[0], d.rooms[1] = d.literals, d.distances
	return nil
}

// corrupt is why data make no sense: they may have ended before.
func (d *Decoder) corrupt() error {
	if d.ended() {
		return ErrShort
	}
	return ErrCorrupt
}
