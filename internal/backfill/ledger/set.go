package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
)

// Work is one head of one model on one object, in a pipeline's output.
type Work struct {
	Pipeline   string
	URI        string // with #bytes=first-last where the reference names a range
	ETag       string
	Model      string // digest
	Preprocess string // digest
	Head       string
	Options    string // digest
	Beside     string // hash of what went beside its text; "" where nothing did
}

const (
	shelves  = 1 << 12 // by the first 12 bits of the hash
	keyBytes = 10      // of what follows
)

type key [keyBytes]byte

// hash gives the shelf and the key of a work.
func (w *Work) hash() (shelf int, k key) {
	h := sha256.New()
	for _, s := range []string{w.Pipeline, w.URI, w.ETag, w.Model, w.Preprocess, w.Head, w.Options, w.Beside} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:]) // so that no two lists of words read the same
		h.Write([]byte(s))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	copy(k[:], sum[2:])
	return int(binary.BigEndian.Uint16(sum[:])) >> 4, k
}

// Set is the works that are known. Add, then Seal once, then Has. Add and Has are safe for concurrent use.
type Set struct {
	locks   [shelves]sync.Mutex // each of its shelf, until Seal
	shelves [shelves][]key
	n       int64
}

// Add makes a work known.
func (s *Set) Add(w *Work) {
	i, k := w.hash()
	s.locks[i].Lock()
	defer s.locks[i].Unlock()
	if full := s.shelves[i]; len(full) == cap(full) && len(full) > 64 { // append would leave up to a quarter empty, sometimes all: an eighth is enough
		s.shelves[i] = slices.Grow(full, len(full)/8)
	}
	s.shelves[i] = append(s.shelves[i], k)
}

// Seal sorts what was added.
func (s *Set) Seal() {
	s.n = 0
	for i := range s.shelves {
		slices.SortFunc(s.shelves[i], func(a, b key) int { return bytes.Compare(a[:], b[:]) })
		s.shelves[i] = slices.Compact(s.shelves[i])
		s.n += int64(len(s.shelves[i]))
	}
}

// Len is the number of different works.
func (s *Set) Len() int64 { return s.n }

// Has says whether a work is known.
func (s *Set) Has(w *Work) bool {
	i, k := w.hash()
	all := s.shelves[i]
	at := sort.Search(len(all), func(j int) bool { return bytes.Compare(all[j][:], k[:]) >= 0 })
	return at < len(all) && all[at] == k
}
