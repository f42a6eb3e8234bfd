package inflate

import (
	"encoding/binary"

	"vecmill/embed/image/prefix"
)

// The most that a pair of length and distance takes of the source, and writes.
const (
	pairBits   = 15 + 5 + 15 + 13
	longest    = 258
	wordBytes  = 8
	fastSource = 2 * wordBytes
	fastRoom   = longest + 2*wordBytes
)

// compressed undoes a block by the codes in hand.
func (d *Decoder) compressed() error {
	for {
		if len(d.src)-d.at >= fastSource && len(d.dst)-d.out >= fastRoom {
			if end, err := d.fast(); end || err != nil {
				return err
			}
		}
		if end, err := d.one(); end || err != nil {
			return err
		}
	}
}

// one undoes a literal or a pair, with care for the ends of source and room. end says that the block ends.
func (d *Decoder) one() (end bool, err error) {
	d.need(pairBits)
	e := d.look(d.literals, literalBits)
	switch {
	case e&prefix.None != 0:
		return false, d.corrupt()
	case d.ended():
		return false, ErrShort
	case e&kindEnd != 0:
		return true, nil
	case d.out == len(d.dst):
		return false, errFull
	case e&prefix.Literal != 0:
		d.dst[d.out] = byte(e.Value())
		d.out++
		return false, nil
	}
	n := e.Value() + d.take(e.Extra())
	e = d.look(d.distances, distanceBits)
	if e&special != 0 {
		return false, d.corrupt()
	}
	back := e.Value() + d.take(e.Extra())
	switch {
	case d.ended():
		return false, ErrShort
	case back > d.out:
		return false, ErrCorrupt
	}
	for ; n > 0 && d.out < len(d.dst); n-- {
		d.dst[d.out] = d.dst[d.out-back]
		d.out++
	}
	if n > 0 {
		return false, errFull
	}
	return false, nil
}

// look takes a code.
func (d *Decoder) look(table []entry, first uint) entry {
	e := table[d.bits&(1<<first-1)]
	if e&prefix.Second != 0 {
		d.take(e.Bits())
		e = table[e.Value()+int(d.bits&(1<<e.Extra()-1))]
	}
	d.take(e.Bits())
	return e
}

// fast undoes literals and pairs while neither source nor room is near its end, with the state in registers. A pair takes 48 bits at most, three literals as long as a first look reaches take 33.
func (d *Decoder) fast() (end bool, err error) {
	src, dst := d.src, d.dst
	at, out, b, n := d.at, d.out, d.bits, d.n
	first := (*[1 << literalBits]entry)(d.literals)
	for len(src)-at >= fastSource && len(dst)-out >= fastRoom {
		b |= binary.LittleEndian.Uint64(src[at:]) << (n & 63)
		at += int(63-n) >> 3
		n |= 56
		e := first[b&(1<<literalBits-1)]
		if e&prefix.Literal != 0 {
			b, n = b>>(e&31), n-e.Bits()
			dst[out] = byte(e >> 16)
			out++
			if e = first[b&(1<<literalBits-1)]; e&prefix.Literal != 0 {
				b, n = b>>(e&31), n-e.Bits()
				dst[out] = byte(e >> 16)
				out++
				if e = first[b&(1<<literalBits-1)]; e&prefix.Literal != 0 {
					b, n = b>>(e&31), n-e.Bits()
					dst[out] = byte(e >> 16)
					out++
					continue
				}
			}
			b |= binary.LittleEndian.Uint64(src[at:]) << (n & 63)
			at += int(63-n) >> 3
			n |= 56
		}
		if e&prefix.Second != 0 {
			b, n = b>>(e&31), n-e.Bits()
			e = d.literals[e.Value()+int(b&(1<<e.Extra()-1))]
		}
		b, n = b>>(e&31), n-e.Bits()
		if e&(prefix.Literal|special) != 0 {
			if e&prefix.Literal != 0 {
				dst[out] = byte(e >> 16)
				out++
				continue
			}
			if end = e&kindEnd != 0; !end {
				err = ErrCorrupt
			}
			break
		}
		length := e.Value() + int(b&(1<<e.Extra()-1))
		b, n = b>>e.Extra(), n-e.Extra()
		if e = d.distances[b&(1<<distanceBits-1)]; e&prefix.Second != 0 {
			b, n = b>>(e&31), n-e.Bits()
			e = d.distances[e.Value()+int(b&(1<<e.Extra()-1))]
		}
		b, n = b>>(e&31), n-e.Bits()
		back := e.Value() + int(b&(1<<e.Extra()-1))
		b, n = b>>e.Extra(), n-e.Extra()
		if back > out || e&special != 0 {
			err = ErrCorrupt
			break
		}
		repeat(dst[out-back:], back, length)
		out += length
	}
	d.at, d.out, d.bits, d.n = at, out, b&(1<<n-1), n
	return end, err
}

// repeat writes length bytes behind the first back ones of b, equal to those back bytes in front of them. b has room for two words more.
func repeat(b []byte, back, length int) {
	if back >= wordBytes {
		from, to := b, b[back:]
		for i := 0; i < length; i += wordBytes {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
		}
		return
	}
	word := binary.LittleEndian.Uint64(b) & (1<<(8*back) - 1)
	for s := 8 * back; s < 64; s *= 2 {
		word |= word << s
	}
	step := wordBytes - wordBytes%back
	for i := back; i < back+length; i += step {
		binary.LittleEndian.PutUint64(b[i:], word)
	}
}
