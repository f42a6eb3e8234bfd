package text

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// The cache holds at most cacheSlots words of at most cachedWord bytes: a few megabytes. Language is made of few words; a hit
// saves the merging.
const (
	cacheSlots = 1 << 14
	cachedWord = 48
)

// cache maps words to their symbols. Each word has one slot, the last comer stays; slots are replaced atomically, so readers and
// writers need no lock.
type cache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[cached]
}

type cached struct {
	word    string
	symbols []symbol // never changed
}

func newCache() *cache {
	return &cache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[cached], cacheSlots)}
}

// symbols gives the symbols of w, from the cache or by merging into scratch, which it returns grown. The result is not to be changed.
func (c *cache) symbols(b *bpe, w string, scratch []symbol) (got, room []symbol) {
	if len(w) > cachedWord {
		scratch = b.word(scratch[:0], w)
		return scratch, scratch
	}
	slot := &c.slots[maphash.String(c.seed, w)%cacheSlots]
	if e := slot.Load(); e != nil && e.word == w {
		return e.symbols, scratch
	}
	scratch = b.word(scratch[:0], w)
	e := &cached{word: strings.Clone(w), symbols: slices.Clone(scratch)} // the caller's text must not live on in the cache
	slot.Store(e)
	return e.symbols, scratch
}
