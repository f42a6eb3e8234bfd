package ledger

import (
	"crypto/sha256"
	"encoding/binary"
)

const (
	shelves  = 1 << 12 // by the first 12 bits of the hash
	keyBytes = 10      // of what follows
)

// key is what is kept of a hash; zeros are none.
type key [keyBytes]byte

// keys is a set of them, on shelves that grow one by one: what is copied while one grows is little.
type keys [shelves]shelf

// keyOf gives the shelf and the key of a hash.
func keyOf(sum []byte) (shelf int, k key) {
	copy(k[:], sum[2:])
	k[0] |= 1 // never zeros; a bit is lost
	return int(binary.BigEndian.Uint16(sum)) >> 4, k
}

// hashOf gives the shelf and the key of a text.
func hashOf(text string) (shelf int, k key) {
	sum := sha256.Sum256([]byte(text))
	return keyOf(sum[:])
}

// add says whether a key is new, and notes it.
func (s *keys) add(n int, k key) (fresh bool) {
	at := &s[n]
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

func (s *keys) has(n int, k key) bool {
	at := &s[n]
	return len(at.keys) > 0 && at.keys[at.place(k)] == k
}

// shelf is a table with linear probing; a key of zeros is a free place.
type shelf struct {
	keys []key
	n    int
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
