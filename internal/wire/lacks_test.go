package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

func numbered(i uint64) (id shortHash) {
	binary.LittleEndian.PutUint64(id[:], i)
	return id
}

// TestTheFirstLackOfASourceIsFoundHoweverFewAreHeld by what chance adds, takes back and has left to other passes.
func TestTheFirstLackOfASourceIsFoundHoweverFewAreHeld(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newLacks(class{of: 1}, 20)
		for source := range int32(4) {
			for range rng.IntN(40) {
				id, offset := numbered(rng.Uint64N(60)), rng.Int64N(1000)
				if !p.has(id) {
					continue
				}
				if rng.IntN(4) == 0 {
					p.again(id, source, offset)
				} else {
					p.add(id, "", source, offset, passed)
				}
			}
			want, some := int64(0), false
			for i := range p.all {
				if at := &p.all[i]; at.source == source && !at.found && (!some || at.offset < want) {
					want, some = at.offset, true
				}
			}
			if first, ok := p.first(source); ok != some || first != want {
				t.Fatalf("seed %d, source %d: %d, %v, want %d, %v", seed, source, first, ok, want, some)
			}
		}
	}
}

// TestASourceLooksThroughItsOwnLacks and not those of all sources before it, of which there may be ten thousand.
func TestASourceLooksThroughItsOwnLacks(t *testing.T) {
	const sources, each = 10_000, 20
	p := newLacks(class{of: 1}, sources*each)
	var own time.Duration
	for source := range int32(sources) {
		for i := range uint64(each) {
			p.add(numbered(uint64(source)*each+i), "", source, int64(i), passed)
		}
		begin := time.Now()
		if first, ok := p.first(source); !ok || first != 0 {
			t.Fatal(source, first, ok)
		}
		own += time.Since(begin)
	}
	begin := time.Now()
	n := 0
	p.each(func(shortHash, *lack) { n++ })
	if all := time.Since(begin); n != sources*each || own > 100*all {
		t.Errorf("the sources took %s, and all %d lacks once %s", own, n, all)
	}
}
