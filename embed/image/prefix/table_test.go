package prefix

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// drawn is lengths of a code that is complete: a leaf is split until there are enough.
func drawn(r *rand.Rand, symbols int) []uint8 {
	leaves := []uint8{1, 1}
	for len(leaves) < symbols {
		i := r.IntN(len(leaves))
		if r.IntN(3) == 0 {
			i = len(leaves) - 1
		}
		if leaves[i] < MaxBits {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	for range r.IntN(5) {
		leaves = append(leaves, 0)
	}
	r.Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
	return leaves
}

// codes are those of lengths by the rule of RFC 1951, section 3.2.2: as text, the first bit first.
func codes(lengths []uint8) []string {
	out := make([]string, len(lengths))
	code := 0
	for n := 1; n <= MaxBits; n++ {
		code <<= 1
		for s, l := range lengths {
			if int(l) != n {
				continue
			}
			for bit := n - 1; bit >= 0; bit-- {
				out[s] += string('0' + rune(code>>bit&1))
			}
			code++
		}
	}
	return out
}

// look reads a code from text, as the users of a table do with bits.
func look(table []Entry, first int, text string) (value, used int) {
	bits := func(n int) (v int) {
		for i, c := range (text + strings.Repeat("0", MaxBits))[used:][:n] {
			v |= int(c-'0') << i
		}
		return v
	}
	e := table[bits(first)]
	if e&Second != 0 {
		used = int(e.Bits())
		e = table[e.Value()+bits(int(e.Extra()))]
	}
	return e.Value(), used + int(e.Bits())
}

func TestEachCodeIsFound(t *testing.T) {
	meaning := make([]Entry, MaxSymbols)
	for s := range meaning {
		meaning[s] = Entry(s) << 16
	}
	r := rand.New(rand.NewPCG(1, 2))
	var tables []Entry
	for round := range 200 {
		lengths := drawn(r, 2+r.IntN(1<<(1+round%11)))
		first := 9 + r.IntN(3)
		begin := len(tables)
		var ok bool
		if tables, ok = Append(tables, first, lengths, meaning); !ok {
			t.Fatalf("%v is no code", lengths)
		}
		for s, code := range codes(lengths) {
			if code == "" {
				continue
			}
			for _, tail := range []string{"", "1111111111", "0101101"} {
				if v, n := look(tables[begin:], first, code+tail); v != s || n != len(code) {
					t.Fatalf("symbol %d, code %s: read as %d of %d bits", s, code, v, n)
				}
			}
		}
		if round%20 == 19 {
			tables = tables[:0]
		}
	}
}

func TestWhatIsNoCodeIsRefused(t *testing.T) {
	meaning := make([]Entry, 4)
	for _, c := range []struct {
		lengths []uint8
		ok      bool
	}{
		{[]uint8{1, 1}, true},
		{[]uint8{1, 0}, true}, // may be incomplete
		{[]uint8{0, 0}, true}, // may not be used
		{[]uint8{2, 0}, false},
		{[]uint8{1, 2, 0}, false},
		{[]uint8{1, 2, 2}, true},
		{[]uint8{1, 1, 2}, false},
		{[]uint8{1, 2, 2, 15}, false},
	} {
		before := []Entry{7}
		tables, ok := Append(before, 9, c.lengths, meaning)
		if ok != c.ok || tables[0] != 7 || !ok && len(tables) != 1 {
			t.Errorf("%v: %t, %d entries", c.lengths, ok, len(tables))
		}
		for _, e := range tables[1:] {
			if missing := c.lengths[1] == 0; !missing && e&None != 0 {
				t.Errorf("%v: a code is missing", c.lengths)
			}
		}
	}
}
