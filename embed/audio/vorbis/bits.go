package vorbis

import (
	"encoding/binary"
	"math/bits"
)

// bitReader reads a packet's bits, from the least significant of each byte on.
type bitReader struct {
	b  []byte
	at int // of the next bit; beyond the end once more was asked for than there is
}

// ended says that more was read than the packet has: what came instead were zeros.
func (r *bitReader) ended() bool { return r.at > 8*len(r.b) }

// word is the next bits, 57 of them at least, from the lowest on. Behind the end there are zeros.
func (r *bitReader) word() uint64 {
	i := r.at >> 3
	if i+8 <= len(r.b) {
		return binary.LittleEndian.Uint64(r.b[i:]) >> (r.at & 7)
	}
	var v uint64
	for k := 0; i < len(r.b); k++ {
		v |= uint64(r.b[i]) << (8 * k)
		i++
	}
	return v >> (r.at & 7)
}

// read takes n bits, at most 32.
func (r *bitReader) read(n int) int {
	v := r.word() & (1<<n - 1)
	r.at += n
	return int(v)
}

func (r *bitReader) flag() bool { return r.read(1) != 0 }

// ilog is the number of bits that v needs.
func ilog(v int) int { return bits.Len(uint(max(v, 0))) }
