package ledger

import (
	"crypto/sha256"
	"encoding/binary"
)

// Work is one head of one model on one object.
type Work struct {
	URI        string // with #bytes=first-last where the reference names a range
	ETag       string
	Model      string // digest
	Preprocess string // digest
	Head       string
	Options    string // digest
}

// hash gives the shelf and the key of a work.
func (w *Work) hash() (shelf int, k key) {
	h := sha256.New()
	for _, s := range []string{w.URI, w.ETag, w.Model, w.Preprocess, w.Head, w.Options} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:]) // so that no two lists of words read the same
		h.Write([]byte(s))
	}
	return keyOf(h.Sum(nil))
}

// Set is the works that are known. It is not safe for concurrent use while works are added, and is afterwards. The zero value is empty.
type Set struct {
	keys keys
}

// Add makes a work known. Rows of one work cost no more memory than one.
func (s *Set) Add(w *Work) { s.keys.add(w.hash()) }

// Len is the number of different works.
func (s *Set) Len() (n int64) {
	for i := range s.keys {
		n += int64(s.keys[i].n)
	}
	return n
}

// Has says whether a work is known.
func (s *Set) Has(w *Work) bool { return s.keys.has(w.hash()) }
