package flac

import (
	"encoding/binary"
	"math/bits"
)

// bitReader reads bits of b from the most significant on. Behind the end there are zeros; who reads them sees it by [bitReader.over].
type bitReader struct {
	b  []byte
	at int // of the next bit
}

// word is the eight bytes from byte i on.
func (r *bitReader) word(i int) uint64 {
	if i+8 <= len(r.b) {
		return binary.BigEndian.Uint64(r.b[i:])
	}
	var last [8]byte
	if i < len(r.b) {
		copy(last[:], r.b[i:])
	}
	return binary.BigEndian.Uint64(last[:])
}

// over says whether more was read than there is.
func (r *bitReader) over() bool { return r.at > 8*len(r.b) }

// peek is the next bits, at least 57 of them, at the top.
func (r *bitReader) peek() uint64 { return r.word(r.at>>3) << (r.at & 7) }

// read takes n bits, 0 to 32.
func (r *bitReader) read(n int) int {
	v := r.peek() >> 1 >> (63 - n)
	r.at += n
	return int(v)
}

// signed takes n bits, 0 to 32, in two's complement.
func (r *bitReader) signed(n int) int32 {
	v := int64(r.peek()) >> 1 >> (63 - n)
	r.at += n
	if n == 0 {
		return 0
	}
	return int32(v)
}

// unary takes zeros up to a one, and the one, and counts the zeros.
func (r *bitReader) unary() int {
	n := 0
	for {
		w := r.peek()
		if w>>7 != 0 { // only the first 57 bits are sure to be there
			z := bits.LeadingZeros64(w)
			r.at += z + 1
			return n + z
		}
		n += 57
		r.at += 57
		if r.over() {
			return n
		}
	}
}

// align moves on to a whole byte. What is skipped must be zero.
func (r *bitReader) align() bool { return r.read(-r.at&7) == 0 }

// rice fills x with residuals of a parameter k below 31: the part above k bits in unary, then the k bits, with the sign in the lowest. It returns false at the end of the bytes.
//
// The bits at hand stay in a register, since where a codeword begins depends on the length of the one before: that is the time it takes.
func (r *bitReader) rice(x []int32, k int) bool {
	next := r.at >> 3
	have := r.word(next) << (r.at & 7) // the bits at hand, at the top
	n := 64 - r.at&7                   // how many are
	next += 8
	for i := range x {
		if n < 32 {
			have |= r.word(next) >> (n & 63)
			next += (63 - n) >> 3
			n |= 56 // what was filled up: whole bytes
		}
		zeros := bits.LeadingZeros64(have)
		if used := zeros + 1 + k; used <= n {
			low := have << (zeros & 63) << 1 >> 1 >> ((63 - k) & 63)
			v := uint32(zeros<<k) | uint32(low)
			x[i] = int32(v>>1) ^ -int32(v&1)
			have <<= used & 63
			n -= used
			continue
		}
		// A long codeword: once in thousands.
		r.at = 8*next - n
		v := uint32(r.unary() << k)
		v |= uint32(r.read(k))
		x[i] = int32(v>>1) ^ -int32(v&1)
		if r.over() {
			return false
		}
		next = r.at >> 3
		have, n = r.word(next)<<(r.at&7), 64-r.at&7
		next += 8
	}
	r.at = 8*next - n
	return !r.over()
}
