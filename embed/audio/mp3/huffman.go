package mp3

import (
	"math"
	"strconv"
)

// book decodes the pairs or quadruples of one code: an entry for each of the next firstBits bits, which for longer codewords leads on to a table of the rest.
type book struct {
	entries []entry
	linbits int
}

// entry of a book: bits of the codeword (of its part in this table) and what it stands for; or, where rest is set, another table of rest bits at symbol.
type entry struct {
	symbol uint16
	bits   uint8
	rest   uint8
}

const firstBits = 8

// books are the code books by their number in the file, quads those of quadruples.
var books, quads = makeBooks()

func makeBooks() (pairs [32]book, quads [2]book) {
	made := map[int][]entry{}
	for n, c := range codes {
		made[n] = expand(c.lengths, c.symbols, n >= 32)
	}
	for n := range pairs {
		switch {
		case n >= 24:
			pairs[n] = book{entries: made[24], linbits: [8]int{4, 5, 6, 7, 8, 9, 11, 13}[n-24]}
		case n >= 16:
			pairs[n] = book{entries: made[16], linbits: [8]int{1, 2, 3, 4, 6, 8, 10, 13}[n-16]}
		default:
			pairs[n] = book{entries: made[n]} // none for 0, 4, 14
		}
	}
	return pairs, [2]book{{entries: made[32]}, {entries: made[33]}}
}

// expand makes the tables of a code.
func expand(lengths, symbols string, quad bool) []entry {
	entries := make([]entry, 1<<firstBits)
	width := 2
	if quad {
		width = 1
	}
	rests := longest(lengths)
	code := uint32(0) // the codeword at the top
	for i := range len(lengths) {
		n := digit(lengths[i : i+1])
		e := entry{symbol: uint16(digit(symbols[i*width : (i+1)*width])), bits: uint8(n)}
		prefix := code >> (32 - firstBits)
		if n <= firstBits {
			for k := range uint32(1) << (firstBits - n) {
				entries[prefix+k] = e
			}
		} else {
			if entries[prefix].rest == 0 {
				rest := rests[prefix]
				entries[prefix] = entry{symbol: uint16(len(entries)), bits: firstBits, rest: uint8(rest)}
				entries = append(entries, make([]entry, 1<<rest)...)
			}
			p := entries[prefix]
			e.bits = uint8(n - firstBits)
			from := int(p.symbol) + int(code<<firstBits>>(32-p.rest))
			for k := range 1 << (int(p.rest) - int(e.bits)) {
				entries[from+k] = e
			}
		}
		code += 1 << (32 - n)
	}
	return entries
}

// longest finds, for the first bits of a codeword that are a table's index, how many bits follow at most.
func longest(lengths string) (rests [1 << firstBits]int) {
	code := uint32(0)
	for i := range len(lengths) {
		n := digit(lengths[i : i+1])
		prefix := code >> (32 - firstBits)
		rests[prefix] = max(rests[prefix], n-firstBits)
		code += 1 << (32 - n)
	}
	return rests
}

// digit reads a number of the tables. A table with anything else does not build.
func digit(s string) int {
	n, err := strconv.ParseUint(s, 36, 16)
	if len(s) == 2 {
		n, err = strconv.ParseUint(s, 16, 16)
	}
	if err != nil {
		panic(err)
	}
	return int(n)
}

// powers are n^(4/3).
var powers = func() (p [8192 + 16]float32) {
	for n := range p {
		p[n] = float32(math.Pow(float64(n), 4.0/3))
	}
	return p
}()

// pairs decodes values [from, to) of x, to their power of 4/3 with their sign.
func (k *book) pairs(r *bitReader, x []float32) {
	if k.entries == nil {
		clear(x)
		return
	}
	entries := k.entries[:1<<firstBits]
	for i := 0; i+1 < len(x); i += 2 {
		w := r.word()
		e := entries[w>>(64-firstBits)]
		used := int(e.bits)
		if e.rest != 0 {
			w <<= firstBits
			e = k.entries[int(e.symbol)+int(w>>(64-e.rest))]
			used += int(e.bits)
		}
		w <<= e.bits
		a, b := int(e.symbol>>4), int(e.symbol&15)
		if k.linbits > 0 && a == 15 {
			a += int(w >> (64 - k.linbits))
			w <<= k.linbits
			used += k.linbits
		}
		va, vb := float32(0), float32(0)
		if a != 0 {
			va = signed(powers[a], w)
			w <<= 1
			used++
		}
		if k.linbits > 0 && b == 15 {
			b += int(w >> (64 - k.linbits))
			w <<= k.linbits
			used += k.linbits
		}
		if b != 0 {
			vb = signed(powers[b], w)
			used++
		}
		x[i], x[i+1] = va, vb
		r.at += used
	}
}

// signed is v with the sign of the top bit of w.
func signed(v float32, w uint64) float32 {
	return math.Float32frombits(math.Float32bits(v) | uint32(w>>32)&(1<<31))
}

// quadruples decodes values of -1, 0 and 1 up to the bit end, and returns how many were set. The last four are dropped if they reach beyond it.
func (k *book) quadruples(r *bitReader, x []float32, end int) int {
	n := 0
	for ; r.at < end && n+4 <= len(x); n += 4 {
		w := r.word()
		e := k.entries[w>>(64-firstBits)]
		w <<= e.bits
		used := int(e.bits)
		for i, bit := range [4]uint16{8, 4, 2, 1} {
			v := float32(0)
			if e.symbol&bit != 0 {
				v = signed(1, w)
				w <<= 1
				used++
			}
			x[n+i] = v
		}
		if r.at += used; r.at > end {
			clear(x[n : n+4])
			break
		}
	}
	return n
}
