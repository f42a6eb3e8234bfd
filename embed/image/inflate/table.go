package inflate

import "math/bits"

// An entry of a table says what the next bits mean.
//
//	bits 0 to 4    how many bits the code has; of an entry that leads to a second table, how many it skips
//	bits 5 to 9    how many bits follow that are added to the value; of an entry that leads to a second table, how many bits are looked up there
//	bits 10 to 12  its kind
//	bits 16 to 30  the value: a length, a distance, or where the second table begins
//	bit 31         it is a literal, whose value is the byte
type entry uint32

const (
	kindEnd     entry = 1 << 10
	kindSecond  entry = 2 << 10
	kindNone    entry = 4 << 10 // no code begins like this
	kindSpecial entry = 7 << 10 // any of these
	literal     entry = 1 << 31
)

func (e entry) bits() uint  { return uint(e & 31) }
func (e entry) extra() uint { return uint(e >> 5 & 31) }
func (e entry) value() int  { return int(e >> 16 & 0x7FFF) }

const (
	maxBits      = 15
	literalBits  = 11 // looked up at once
	distanceBits = 9
	orderBits    = 7
	literals     = 288
	distances    = 32
)

// meaning of the symbols of literals and lengths, and of distances; what RFC 1951 leaves without one is kindNone.
var literalSymbols, distanceSymbols = symbols()

func symbols() (lit [literals]entry, dist [distances]entry) {
	for i := range 256 {
		lit[i] = literal | entry(i)<<16
	}
	lit[256] = kindEnd
	base := 3
	for i := range 28 {
		extra := max(i/4-1, 0)
		lit[257+i] = entry(base)<<16 | entry(extra)<<5
		base += 1 << extra
	}
	lit[285] = entry(258) << 16
	lit[286], lit[287] = kindNone, kindNone
	base = 1
	for i := range 30 {
		extra := max(i/2-1, 0)
		dist[i] = entry(base)<<16 | entry(extra)<<5
		base += 1 << extra
	}
	dist[30], dist[31] = kindNone, kindNone
	return lit, dist
}

// build makes the table for codes of the given lengths, in room that it lets grow: first bits are looked up at once, the rest of longer codes in second tables behind. It is nil if the lengths are no code: as in zlib, a
// code of one symbol of one bit may be incomplete, and one of no symbol may be built, but not used.
func build(room []entry, first int, lengths []uint8, meaning []entry) []entry {
	var count, next [maxBits + 2]int
	for _, n := range lengths {
		count[n]++
	}
	used, left, longest := len(lengths)-count[0], 1, 0
	count[0] = 0
	for n := 1; n <= maxBits; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return nil
		}
		if count[n] > 0 {
			longest = n
		}
		next[n+1] = next[n] + count[n]
	}
	if left > 0 && used > 0 && longest > 1 {
		return nil
	}
	var sorted [literals]uint16 // symbols by the length of their code
	for s, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(s)
			next[n]++
		}
	}
	table := sized(room[:0], 1<<first)
	if left > 0 {
		for i := range table {
			table[i] = kindNone
		}
	}
	code, second, secondBits, prefix := 0, 0, 0, -1 // code has its bits in reading order, the first in the lowest
	for _, s := range sorted[:used] {
		n := int(lengths[s])
		if n <= first {
			for i := code; i < 1<<first; i += 1 << n {
				table[i] = meaning[s] | entry(n)
			}
		} else {
			if p := code & (1<<first - 1); p != prefix {
				prefix, second = p, len(table)
				secondBits = n - first
				for room := 1<<secondBits - count[n]; room > 0 && first+secondBits < longest; {
					secondBits++
					room = room<<1 - count[first+secondBits]
				}
				table = sized(table, second+1<<secondBits)
				table[p] = kindSecond | entry(second)<<16 | entry(secondBits)<<5 | entry(first)
			}
			for i := code >> first; i < 1<<secondBits; i += 1 << (n - first) {
				table[second+i] = meaning[s] | entry(n-first)
			}
		}
		count[n]--
		code = following(code, n)
	}
	return table
}

// following is the code behind one of n bits: one more, counted from the last bit that is read.
func following(code, n int) int {
	r := bits.Reverse32(uint32(code)) >> (32 - n)
	return int(bits.Reverse32(r+1) >> (32 - n))
}

// sized lets a table grow to n entries.
func sized(t []entry, n int) []entry {
	if n > cap(t) {
		t = append(make([]entry, 0, 2*n), t...)
	}
	return t[:n]
}

// The codes of blocks that bring none.
var fixedLiterals, fixedDistances = fixed()

func fixed() (lit, dist []entry) {
	var lengths [literals]uint8
	for i := range lengths {
		switch {
		case i < 144 || i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	lit = build(nil, literalBits, lengths[:], literalSymbols[:])
	for i := range distances {
		lengths[i] = 5
	}
	return lit, build(nil, distanceBits, lengths[:distances], distanceSymbols[:])
}
