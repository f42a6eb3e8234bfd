package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Work is one head of one model on one object, in a pipeline's output.
type Work struct {
	Pipeline   string
	URI        string // with #bytes=first-last where the reference names a range; of inline data schemas.InlinePlace and the reference's id
	ETag       string // of inline data sha256: and the hash of its bytes
	Model      string // digest
	Preprocess string // digest
	Head       string
	Options    string // digest
	Beside     string // hash of what went beside its text; "" where nothing did
}

// hash gives the shelf and the key of a work.
func (w *Work) hash() (shelf int, k key) {
	h := sha256.New()
	for _, s := range []string{w.Pipeline, w.URI, w.ETag, w.Model, w.Preprocess, w.Head, w.Options, w.Beside} {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:]) // so that no two lists of words read the same
		h.Write([]byte(s))
	}
	return keyOf(h.Sum(nil))
}

// Set is the works that are known. It is safe for concurrent use while works are added, and afterwards. The zero value is empty.
type Set struct {
	locks [shelves]sync.Mutex // of the shelves, while works are added
	keys  keys
}

// Add makes a work known. Rows of one work cost no more memory than one.
func (s *Set) Add(w *Work) {
	i, k := w.hash()
	s.locks[i].Lock()
	defer s.locks[i].Unlock()
	s.keys.add(i, k)
}

// Len is the number of different works.
func (s *Set) Len() (n int64) {
	for i := range s.keys {
		n += int64(s.keys[i].n)
	}
	return n
}

// Has says whether a work is known.
func (s *Set) Has(w *Work) bool { return s.keys.has(w.hash()) }
