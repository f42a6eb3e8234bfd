package vp8l

import "encoding/binary"

// bitReader gives bits of src, the lowest first, and zeros behind its end. It is copied to where bits are read in a hurry, so that its fields are in registers.
type bitReader struct {
	src  []byte
	at   int    // in src, or behind its end
	bits uint64 // not yet used, the next in the lowest
	n    uint   // how many are certain; those above may be there
}

// fill sees to it that 56 bits are there.
func (r *bitReader) fill() {
	if r.at <= len(r.src)-8 {
		r.bits |= binary.LittleEndian.Uint64(r.src[r.at:]) << (r.n & 63)
		r.at += int(63-r.n) >> 3
		r.n |= 56
		return
	}
	r.at, r.bits, r.n = fillAtEnd(r.src, r.at, r.bits, r.n)
}

// fillAtEnd is fill where a word would reach behind the end.
func fillAtEnd(src []byte, at int, b uint64, n uint) (int, uint64, uint) {
	for ; n <= 56; n += 8 {
		if at < len(src) {
			b |= uint64(src[at]) << n
		}
		at++
	}
	return at, b, n
}

// take uses n bits, at most 24.
func (r *bitReader) take(n uint) int {
	if r.n < n {
		r.fill()
	}
	v := int(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v
}

// flag uses one bit.
func (r *bitReader) flag() bool { return r.take(1) == 1 }

// ended says that more was used than there is.
func (r *bitReader) ended() bool { return r.at*8-int(r.n) > len(r.src)*8 }
