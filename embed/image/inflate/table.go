package inflate

import "vecmill/embed/image/prefix"

type entry = prefix.Entry

// kindEnd is the end of a block.
const kindEnd entry = 1 << 12

// special is any entry that is no literal and has no value.
const special = prefix.Second | prefix.None | kindEnd

const (
	literalBits  = 11 // looked up at once
	distanceBits = 9
	orderBits    = 7
	literals     = 288
	distances    = 32
)

// meaning of the symbols of literals and lengths, and of distances; what RFC 1951 leaves without one is prefix.None.
var literalSymbols, distanceSymbols = symbols()

func symbols() (lit [literals]entry, dist [distances]entry) {
	for i := range 256 {
		lit[i] = prefix.Literal | entry(i)<<16
	}
	lit[256] = kindEnd
	base := 3
	for i := range 28 {
		extra := max(i/4-1, 0)
		lit[257+i] = entry(base)<<16 | entry(extra)<<5
		base += 1 << extra
	}
	lit[285] = entry(258) << 16
	lit[286], lit[287] = prefix.None, prefix.None
	base = 1
	for i := range 30 {
		extra := max(i/2-1, 0)
		dist[i] = entry(base)<<16 | entry(extra)<<5
		base += 1 << extra
	}
	dist[30], dist[31] = prefix.None, prefix.None
	return lit, dist
}

// build makes the table for codes of the given lengths, in room that it lets grow. It is nil if the lengths are no code.
func build(room []entry, first int, lengths []uint8, meaning []entry) []entry {
	table, ok := prefix.Append(room[:0], first, lengths, meaning)
	if !ok {
		return nil
	}
	return table
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
