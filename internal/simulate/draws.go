package simulate

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// draws gives random numbers that follow from the seed and from what they are for, and from nothing else: not from the order in which goroutines
// happen to ask. That, and that no two effects share an instant, is what makes a seed repeat itself.
type draws struct{ seed uint64 }

// of is the generator for one purpose, named by words and numbers.
func (d draws) of(what string, numbers ...int64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	var b [8]byte
	for _, n := range numbers {
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
	return rand.New(rand.NewPCG(d.seed, h.Sum64()))
}

// span draws a duration in [lo, hi), to the nanosecond, so that two of them hardly ever end together.
func span(r *rand.Rand, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

// chance says yes with probability p.
func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }
