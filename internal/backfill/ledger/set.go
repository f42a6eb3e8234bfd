package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync"
)

// Kind is one head of one model, in a pipeline's output.
type Kind struct {
	Pipeline   string
	Model      string // digest
	Preprocess string // digest
	Head       string
	Options    string // digest
}

// Work is a kind on one object.
type Work struct {
	Kind
	URI    string // with #bytes=first-last where the reference names a range; of inline data schemas.InlinePlace and the reference's id
	ETag   string // of inline data sha256: and the hash of its bytes
	Beside string // hash of what went beside its text; "" where nothing did
}

// group is how many kinds have one entry for an object: a byte says which of them are known.
const group = 8

// hash gives the shelf and the key of the work's object, for one group of kinds.
func (w *Work) hash(group int) (shelf int, k key) {
	var room [512]byte
	b := room[:0]
	for _, s := range [...]string{w.URI, w.ETag, w.Beside} {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s))) // so that no two lists of words read the same
		b = append(b, s...)
	}
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(b, uint64(group)))
	return keyOf(&sum)
}

// place is where it is said of an object that a kind is known.
type place struct {
	group int
	bit   uint8
}

// Set is the works that are known, of the kinds that are asked for. Add is safe for concurrent use, and so are the other methods when all is added.
type Set struct {
	places map[Kind]place
	lists  []map[int]uint8 // by list: the bits that a complete object has, by group
	locks  [shelves]sync.Mutex
	table  table[uint8]
}

// NewSet makes an empty set that is asked for kinds, those of a list together: the heads of a pipeline. Memory beside Go's heap is given back by Close.
func NewSet(lists ...[]Kind) *Set {
	s := &Set{places: map[Kind]place{}, table: table[uint8]{slabs: &slabs{}}}
	next := 0
	for _, list := range lists {
		if next%group+len(list) > group { // what fits in one group is in one
			next = (next + group - 1) / group * group
		}
		complete := map[int]uint8{}
		for _, k := range list {
			at, twice := s.places[k]
			if !twice {
				at = place{next / group, 1 << (next % group)}
				s.places[k] = at
				next++
			}
			complete[at.group] |= at.bit
		}
		s.lists = append(s.lists, complete)
	}
	return s
}

// Add makes a work known, if its kind is asked for. All rows of an object cost the memory of one, and so do up to eight kinds.
func (s *Set) Add(w *Work) {
	at, ok := s.places[w.Kind]
	if !ok {
		return
	}
	i, k := w.hash(at.group)
	s.locks[i].Lock()
	defer s.locks[i].Unlock()
	e, _ := s.table.note(i, k)
	e.v |= at.bit
}

// Len is the number of different works that are known.
func (s *Set) Len() (n int64) {
	s.table.all(func(known *uint8) { n += int64(bits.OnesCount8(*known)) })
	return n
}

// Has says whether a work is known.
func (s *Set) Has(w *Work) bool {
	at, ok := s.places[w.Kind]
	return ok && s.known(w, at.group)&at.bit != 0
}

// Complete says whether every kind of a list is known of an object: one that lacks a head of its pipeline is not.
func (s *Set) Complete(list int, object *Work) bool {
	for group, bits := range s.lists[list] {
		if s.known(object, group)&bits != bits {
			return false
		}
	}
	return len(s.lists[list]) > 0
}

// known is which kinds of a group are known of an object.
func (s *Set) known(w *Work, group int) uint8 {
	if e := s.table.find(w.hash(group)); e != nil {
		return e.v
	}
	return 0
}

// Close gives the set's memory back; nothing is asked of it any more.
func (s *Set) Close() { s.table.free() }
