package prefix

import "math/bits"

// Entry of a table says what the next bits mean.
//
//	bits 0 to 4    how many bits the code has; of an entry that leads to a second table, how many it skips
//	bits 5 to 9    how many bits follow that are added to the value; of an entry that leads to a second table, how many bits are looked up there
//	bits 10 to 13  its kind: 10 and 11 are [Second] and [None], 12 and 13 are the user's
//	bits 16 to 30  the value; of an entry that leads to a second table, where that begins
//	bit 31         it is a literal
type Entry uint32

// Kinds of entries.
const (
	Second  Entry = 1 << 10 // a second table has it
	None    Entry = 1 << 11 // no code begins like this
	Literal Entry = 1 << 31
)

// Bits is how many bits the code takes.
func (e Entry) Bits() uint { return uint(e & 31) }

// Extra is how many bits follow that are added to the value.
func (e Entry) Extra() uint { return uint(e >> 5 & 31) }

// Value is what the code stands for.
func (e Entry) Value() int { return int(e >> 16 & 0x7FFF) }

const (
	// MaxBits is how long a code may be.
	MaxBits = 15
	// MaxSymbols is how many codes there may be: those of lengths, literals and a cache of lossless WebP. Second tables of so many begin within 15 bits if 9 bits are looked up first.
	MaxSymbols = 2328
)

// Append appends the table for codes of the given lengths to one with others, or to none: 1 << first entries are looked up at once, the rest of longer codes in second tables behind, whose places count from the table's beginning.
// ok is false if the lengths are no code: as in zlib, a code of one symbol of one bit may be incomplete, and one of no symbol may be made, but not used. Of each symbol there is a meaning; its lowest five bits are zero.
func Append(tables []Entry, first int, lengths []uint8, meaning []Entry) (_ []Entry, ok bool) {
	var count, next [MaxBits + 2]int
	for _, n := range lengths {
		count[n]++
	}
	used, left, longest := len(lengths)-count[0], 1, 0
	count[0] = 0
	for n := 1; n <= MaxBits; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return tables, false
		}
		if count[n] > 0 {
			longest = n
		}
		next[n+1] = next[n] + count[n]
	}
	if left > 0 && used > 0 && longest > 1 {
		return tables, false
	}
	var sorted [MaxSymbols]uint16 // symbols by the length of their code
	for s, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(s)
			next[n]++
		}
	}
	begin := len(tables)
	tables = grown(tables, 1<<first)
	table := tables[begin:]
	if left > 0 {
		for i := range table {
			table[i] = None
		}
	}
	code, second, secondBits, prefix := 0, 0, 0, -1 // code has its bits in reading order, the first in the lowest
	for _, s := range sorted[:used] {
		n := int(lengths[s])
		if n <= first {
			for i := code; i < 1<<first; i += 1 << n {
				table[i] = meaning[s] | Entry(n)
			}
		} else {
			if p := code & (1<<first - 1); p != prefix {
				prefix, second = p, len(table)
				secondBits = n - first
				for room := 1<<secondBits - count[n]; room > 0 && first+secondBits < longest; {
					secondBits++
					room = room<<1 - count[first+secondBits]
				}
				tables = grown(tables, 1<<secondBits)
				table = tables[begin:]
				table[p] = Second | Entry(second)<<16 | Entry(secondBits)<<5 | Entry(first)
			}
			for i := code >> first; i < 1<<secondBits; i += 1 << (n - first) {
				table[second+i] = meaning[s] | Entry(n-first)
			}
		}
		count[n]--
		code = following(code, n)
	}
	return tables, true
}

// following is the code behind one of n bits: one more, counted from the last bit that is read.
func following(code, n int) int {
	r := bits.Reverse32(uint32(code)) >> (32 - n)
	return int(bits.Reverse32(r+1) >> (32 - n))
}

// grown has n entries more, with whatever is in them.
func grown(t []Entry, n int) []Entry {
	n += len(t)
	if n > cap(t) {
		t = append(make([]Entry, 0, n+n/2), t...)
	}
	return t[:n]
}
