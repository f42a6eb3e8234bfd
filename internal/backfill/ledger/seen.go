package ledger

import (
	"crypto/sha256"
	"encoding/binary"
)

// Seen is texts that came by, as 91 bits of a hash of each: 12 to 16 bytes a text. With 100 million of them, the chance that a new one is taken for one of them is that of Set. The zero value is empty; it is for one goroutine.
type Seen struct {
	shelves [shelves]shelf
}

// shelf is a table with linear probing; a key of zeros is a free place.
type shelf struct {
	keys []key
	n    int
}

// Add says whether a text is new, and notes it.
func (s *Seen) Add(text string) (fresh bool) {
	n, k := hashOf(text)
	at := &s.shelves[n]
	if at.full() {
		at.grow()
	}
	i := at.place(k)
	if at.keys[i] == k {
		return false
	}
	at.keys[i] = k
	at.n++
	return true
}

// hashOf gives the shelf and the key of a text.
func hashOf(text string) (shelf int, k key) {
	sum := sha256.Sum256([]byte(text))
	copy(k[:], sum[2:])
	k[0] |= 1 // never zeros; a bit is lost
	return int(binary.BigEndian.Uint16(sum[:])) >> 4, k
}

// full says that seven of eight places are taken, which is the most.
func (s *shelf) full() bool { return s.n*8 >= len(s.keys)*7 }

// place is where a key is, or would be.
func (s *shelf) place(k key) int {
	i := int(binary.BigEndian.Uint64(k[2:]) % uint64(len(s.keys)))
	for s.keys[i] != k && s.keys[i] != (key{}) {
		i = (i + 1) % len(s.keys)
	}
	return i
}

// grow makes the table a quarter larger: a doubling would leave half of it empty.
func (s *shelf) grow() {
	old := s.keys
	s.keys = make([]key, len(old)+len(old)/4+8)
	for _, k := range old {
		if k != (key{}) {
			s.keys[s.place(k)] = k
		}
	}
}
