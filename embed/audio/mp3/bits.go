package mp3

import "encoding/binary"

// bitReader reads bits of a buffer that has tailBytes more than its bits, from the most significant on.
type bitReader struct {
	b  []byte
	at int // of the next bit
}

// tailBytes follow the readable part of a buffer, so that a word can be loaded anywhere.
const tailBytes = 8

// word is the next bits, at least 57 of them, at the top. Behind the end there are zeros.
func (r *bitReader) word() uint64 {
	i := r.at >> 3
	if uint(i) > uint(len(r.b)-tailBytes) {
		return 0
	}
	return binary.BigEndian.Uint64(r.b[i:]) << (r.at & 7)
}

// read takes n bits, at most 32.
func (r *bitReader) read(n int) int {
	v := r.word() >> 1 >> (63 - n)
	r.at += n
	return int(v)
}

func (r *bitReader) flag() bool { return r.read(1) != 0 }
