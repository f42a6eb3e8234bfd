package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"unsafe"
)

const (
	shelves     = 1 << 12 // by the first 12 bits of the hash
	keyBytes    = 10      // of what follows
	pageEntries = 512
	growth      = 16 // a shelf grows by a sixteenth: the more, the more of it is empty
)

// key is what is kept of a hash; zeros are none.
type key [keyBytes]byte

// keyOf gives the shelf and the key of a hash.
func keyOf(sum *[sha256.Size]byte) (shelf int, k key) {
	copy(k[:], sum[2:])
	k[0] |= 1 // never zeros; a bit is lost
	return int(binary.BigEndian.Uint16(sum[:])) >> 4, k
}

// hashOf gives the shelf and the key of a text.
func hashOf(text string) (shelf int, k key) {
	sum := sha256.Sum256([]byte(text))
	return keyOf(&sum)
}

// entry is a key and what is noted at it. The key is last: behind a value of no bytes there is no padding.
type entry[V any] struct {
	v V
	k key
}

// table has keys on shelves that grow one by one, each in its place: nothing but what it holds takes memory while it grows, but for one shelf at a time. What is on different shelves may be
// noted at once, and found by any number when nothing is noted any more. The zero value is empty, in Go's heap.
type table[V any] struct {
	slabs   *slabs // where full pages lie; nil: Go's heap. V has no pointers then
	spare   sync.Pool
	shelves [shelves]shelf[V]
}

// shelf is a table with linear probing, in pages of which all but the last are full; a key of zeros is a free place.
type shelf[V any] struct {
	pages [][]entry[V]
	size  int // places
	n     int // taken
}

// note gives the place of a key, which has it then, and says whether it is new. It is valid until the next note on the shelf.
func (t *table[V]) note(n int, k key) (e *entry[V], fresh bool) {
	s := &t.shelves[n]
	if s.n*8 >= s.size*7 { // at most seven of eight places are taken
		t.grow(s)
	}
	e = s.place(k)
	if e.k == k {
		return e, false
	}
	e.k = k
	s.n++
	return e, true
}

// find gives the place of a key; nil: it is not there.
func (t *table[V]) find(n int, k key) *entry[V] {
	s := &t.shelves[n]
	if s.size == 0 {
		return nil
	}
	if e := s.place(k); e.k == k {
		return e
	}
	return nil
}

// all calls each for every value.
func (t *table[V]) all(each func(*V)) {
	for n := range t.shelves {
		for _, page := range t.shelves[n].pages {
			for i := range page {
				if page[i].k != (key{}) {
					each(&page[i].v)
				}
			}
		}
	}
}

// len is the number of keys.
func (t *table[V]) len() (n int64) {
	for i := range t.shelves {
		n += int64(t.shelves[i].n)
	}
	return n
}

// free empties the table and gives the memory beside Go's heap back.
func (t *table[V]) free() {
	clear(t.shelves[:])
	if t.slabs != nil {
		t.slabs.free()
	}
}

// place is where a key is, or would be. A taken place is told by its first byte, which is never 0.
func (s *shelf[V]) place(k key) *entry[V] {
	rest := binary.BigEndian.Uint64(k[2:])
	i := uint(rest % uint64(s.size))
	for at, from := i/pageEntries, i%pageEntries; ; at, from = at+1, 0 {
		if at == uint(len(s.pages)) {
			at = 0
		}
		page := s.pages[at]
		for j := from; j < uint(len(page)); j++ {
			e := &page[j]
			if e.k[0] == 0 || binary.BigEndian.Uint64(e.k[2:]) == rest && e.k == k {
				return e
			}
		}
	}
}

// grow makes a shelf larger and puts its entries where they belong then.
func (t *table[V]) grow(s *shelf[V]) {
	spare, _ := t.spare.Get().(*[]entry[V])
	if spare == nil {
		spare = &[]entry[V]{}
	}
	old := (*spare)[:0]
	for _, page := range s.pages {
		for i := range page {
			if page[i].k != (key{}) {
				old = append(old, page[i])
			}
		}
		clear(page)
	}
	s.size += s.size/growth + 8
	full := s.size / pageEntries
	s.pages = s.pages[:min(len(s.pages), full)]
	if n := len(s.pages); n > 0 && len(s.pages[n-1]) < pageEntries {
		s.pages = s.pages[:n-1]
	}
	for len(s.pages) < full {
		s.pages = append(s.pages, t.page())
	}
	if rest := s.size % pageEntries; rest > 0 {
		s.pages = append(s.pages, make([]entry[V], rest))
	}
	for i := range old {
		*s.place(old[i].k) = old[i]
	}
	*spare = old
	t.spare.Put(spare)
}

// page is a full page of free places.
func (t *table[V]) page() []entry[V] {
	if t.slabs == nil {
		return make([]entry[V], pageEntries)
	}
	b := t.slabs.take(pageEntries * int(unsafe.Sizeof(entry[V]{})))
	return unsafe.Slice((*entry[V])(unsafe.Pointer(unsafe.SliceData(b))), pageEntries)
}
