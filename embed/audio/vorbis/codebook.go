package vorbis

import (
	"errors"
	"math"
	"math/bits"
	"slices"
)

// What all books of a stream may have together: far more than encoders use, and little enough to keep.
const (
	maxEntries = 1 << 18
	maxValues  = 1 << 20
)

var errSetup = errors.New("damaged setup header")

// book is a code, and vectors that its entries stand for.
type book struct {
	dims    int
	entries int
	table   [1 << tableBits]word // by the next bits; a length of 0 means that the codeword is longer, or none
	longs   []long               // the others, by their code
	vectors []float32            // dims of each entry; nil if there are none
}

// tableBits are looked up at once.
const tableBits = 9

type word struct {
	entry  int32
	length uint8
}

// long is a codeword of more than tableBits bits, from the first one at the top.
type long struct {
	code uint32
	word
}

// budget is what books may still have.
type budget struct{ entries, values int }

// parseBook reads a book of the setup header.
func parseBook(r *bitReader, left *budget) (*book, error) {
	if r.read(24) != 0x564342 {
		return nil, errSetup
	}
	b := &book{dims: r.read(16), entries: r.read(24)}
	if left.entries -= b.entries; b.dims == 0 || left.entries < 0 || r.ended() {
		return nil, errSetup
	}
	lengths := make([]uint8, b.entries)
	if err := parseLengths(r, lengths); err != nil {
		return nil, err
	}
	if err := b.assign(lengths); err != nil {
		return nil, err
	}
	return b, b.parseVectors(r, left)
}

// parseLengths reads the lengths of the codewords, 0 for entries that are not used.
func parseLengths(r *bitReader, lengths []uint8) error {
	if r.flag() { // ordered
		length := r.read(5) + 1
		for at := 0; at < len(lengths); length++ {
			n := r.read(ilog(len(lengths) - at))
			if length > 32 || n > len(lengths)-at || r.ended() {
				return errSetup
			}
			for k := range n {
				lengths[at+k] = uint8(length)
			}
			at += n
		}
		return nil
	}
	sparse := r.flag()
	for i := range lengths {
		if r.ended() {
			return errSetup
		}
		if !sparse || r.flag() {
			lengths[i] = uint8(r.read(5) + 1)
		}
	}
	return nil
}

// assign gives each entry the lowest codeword of its length that is left, and refuses more of them than there are, or fewer. A book of one entry is the exception.
func (b *book) assign(lengths []uint8) error {
	var free [33]uint32 // by length: the lowest free codeword of that length under which nothing is taken; from the top
	used, full := 0, false
	for entry, n := range lengths {
		if n == 0 {
			continue
		}
		var code uint32
		if used == 0 {
			for k := 1; k <= int(n); k++ {
				free[k] = 1 << (32 - k)
			}
		} else {
			k := int(n)
			for k > 0 && free[k] == 0 {
				k--
			}
			if k == 0 {
				return errSetup // more than there are
			}
			code = free[k]
			free[k] = 0
			for j := int(n); j > k; j-- {
				free[j] = code + 1<<(32-j)
			}
		}
		used++
		b.add(code, word{entry: int32(entry), length: n})
	}
	full = true
	for _, f := range free {
		full = full && f == 0
	}
	if used == 1 {
		b.single(lengths)
	} else if used > 1 && !full {
		return errSetup
	}
	slices.SortFunc(b.longs, func(x, y long) int {
		if x.code < y.code {
			return -1
		}
		return 1
	})
	return nil
}

// single makes a book's only entry the answer to any bit.
func (b *book) single(lengths []uint8) {
	for i, n := range lengths {
		if n > 0 {
			b.longs = nil
			for k := range b.table {
				b.table[k] = word{entry: int32(i), length: 1}
			}
		}
	}
}

// add enters a codeword, whose first bit is at the top of code.
func (b *book) add(code uint32, w word) {
	if w.length > tableBits {
		b.longs = append(b.longs, long{code, w})
		return
	}
	for k := bits.Reverse32(code); k < 1<<tableBits; k += 1 << w.length {
		b.table[k] = w
	}
}

// next decodes an entry; -1 behind the packet's end, or where no codeword is.
func (b *book) next(r *bitReader) int {
	bits57 := r.word()
	if w := b.table[bits57&(1<<tableBits-1)]; w.length > 0 {
		r.at += int(w.length)
		if r.ended() {
			return -1
		}
		return int(w.entry)
	}
	code := bits.Reverse32(uint32(bits57))
	lo, hi := 0, len(b.longs)
	for lo < hi { // the last one that is not above
		if mid := (lo + hi) / 2; b.longs[mid].code <= code {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		r.at = 8*len(r.b) + 1
		return -1
	}
	w := b.longs[lo-1]
	if r.at += int(w.length); r.ended() || (code^w.code)>>(32-w.length) != 0 {
		r.at = 8*len(r.b) + 1
		return -1
	}
	return int(w.entry)
}

// parseVectors reads what the entries stand for.
func (b *book) parseVectors(r *bitReader, left *budget) error {
	kind := r.read(4)
	if kind == 0 {
		return nil
	}
	if kind > 2 {
		return errSetup
	}
	low, step := unpackFloat(uint32(r.read(32))), unpackFloat(uint32(r.read(32)))
	width, sequence := r.read(4)+1, r.flag()
	count := b.entries * b.dims
	if left.values -= count; left.values < 0 || r.ended() {
		return errSetup
	}
	values := count
	if kind == 1 {
		values = root(b.entries, b.dims)
	}
	steps := make([]float32, 0, min(values, 8*len(r.b)))
	for range values {
		if r.ended() {
			return errSetup
		}
		steps = append(steps, float32(r.read(width)))
	}
	b.vectors = make([]float32, count)
	for e := range b.entries {
		last, divisor := float32(0), 1
		for i := range b.dims {
			k := e*b.dims + i
			if kind == 1 {
				k = e / divisor % values
				divisor *= values
			}
			v := steps[k]*step + low + last
			if sequence {
				last = v
			}
			b.vectors[e*b.dims+i] = v
		}
	}
	return nil
}

// unpackFloat reads the format's own floating point: 21 bits of mantissa, 10 of exponent, a sign.
func unpackFloat(v uint32) float32 {
	m := float64(v & 0x1fffff)
	if v>>31 != 0 {
		m = -m
	}
	return float32(math.Ldexp(m, int(v>>21&0x3ff)-788))
}

// root is the largest number whose power of dims is at most entries.
func root(entries, dims int) int {
	fits := func(n int) bool {
		p := 1
		for range dims {
			if p *= n; p > entries {
				return false
			}
		}
		return true
	}
	n := int(math.Pow(float64(entries), 1/float64(dims)))
	for n > 1 && !fits(n) {
		n--
	}
	for fits(n+1) && n < entries {
		n++
	}
	return n
}
