package beam

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
)

// trie are the n-grams of a KenLM binary of bit-packed tries: each level holds its words in order within the range of the n-gram
// that they extend, each with its weights and where its own range begins; it ends where the next one's begins.
type trie struct {
	unigrams []byte // 16 bytes each: probability, backoff, where its range begins
	count    uint32
	middles  []level
	long     level
}

// level is one length of n-grams.
type level struct {
	data      []byte
	entries   uint64
	following uint64 // entries of the next level
	wordBits  uint
	weights   uint   // bits of the weights
	nextBits  uint   // bits of where the range begins that lie in the entry
	total     uint   // bits of an entry
	offsets   []byte // the rest of them: number of the first entry with each value of the upper bits; nil if all are in the entry
	probs     []byte // the values of quantised probabilities, nil if they are floats
	backoffs  []byte
	backBits  uint
	probBits  uint
}

// sortedWords is the vocabulary of a trie: hashes in order, numbered from 1.
type sortedWords []byte

func (v sortedWords) index(word string) uint32 {
	h := murmur(word)
	n := len(v) / 8
	at := sort.Search(n, func(i int) bool { return binary.LittleEndian.Uint64(v[8*i:]) >= h })
	if at < n && binary.LittleEndian.Uint64(v[8*at:]) == h {
		return uint32(at + 1)
	}
	return 0
}

// packing is how the weights and the ranges of a trie are packed.
type packing struct {
	quantised, array bool
	prob, back       uint // bits of quantised weights
	pointer          uint // bits that may be cut off a range
}

func openTrie(data []byte, p parameters) (vocabulary, tables, error) {
	c := &cursor{data: data, at: p.size}
	head := c.take(8)
	body := c.take(8 * p.counts[0])
	if c.err != nil {
		return nil, nil, c.err
	}
	held := binary.LittleEndian.Uint64(head)
	if held > p.counts[0] {
		return nil, nil, fmt.Errorf("%d words, the header says %d", held, p.counts[0])
	}
	t := &trie{count: uint32(p.counts[0]) + 1}
	k := packing{quantised: p.kind == kindQuantised || p.kind == kindQuantisedArray, array: p.kind >= kindArray}
	order := len(p.counts)
	t.middles = make([]level, order-2)
	if err := t.quantisation(c, &k, order); err != nil {
		return nil, nil, err
	}
	t.unigrams = c.take((p.counts[0] + 2) * 16)
	for i := range t.middles {
		if err := t.middles[i].open(c, &k, p.counts[i+1], p.counts[0], p.counts[i+2], i == 0); err != nil {
			return nil, nil, err
		}
	}
	t.long.weights = 31
	if k.quantised {
		t.long.weights = k.prob
	}
	t.long.pack(c, p.counts[order-1], p.counts[0])
	return sortedWords(body[:8*held]), t, c.err
}

// quantisation reads the tables of values: probabilities and backoffs for each length between, then probabilities of the longest.
func (t *trie) quantisation(c *cursor, k *packing, order int) error {
	if !k.quantised {
		return nil
	}
	head := c.take(8)
	if c.err != nil {
		return c.err
	}
	k.prob, k.back = uint(head[1]), uint(head[2])
	if head[0] != 2 || k.prob < 1 || k.prob > 25 || k.back < 1 || k.back > 25 {
		return fmt.Errorf("quantisation of version %d with %d and %d bits", head[0], k.prob, k.back)
	}
	for i := range order - 2 {
		l := &t.middles[i]
		l.probs, l.backoffs = c.take(4<<k.prob), c.take(4<<k.back)
		l.probBits, l.backBits = k.prob, k.back
	}
	t.long.probs, t.long.probBits = c.take(4<<k.prob), k.prob
	return c.err
}

// open lays out a level between the first and the last. The first of them says for all how many bits may be cut off.
func (l *level) open(c *cursor, k *packing, entries, words, following uint64, first bool) error {
	l.following = following
	l.nextBits = required(following)
	l.weights = 63
	if k.quantised {
		l.weights = k.prob + k.back
	}
	if k.array {
		if first {
			head := c.take(2)
			if c.err != nil {
				return c.err
			}
			if head[0] != 0 {
				return fmt.Errorf("compressed ranges of version %d", head[0])
			}
			k.pointer = uint(head[1])
			c.at -= 2
		}
		chop := chopped(entries+1, following, k.pointer)
		count := following>>(l.nextBits-chop) + 1
		pad := align8(c.at) - c.at
		block := c.take(8*(1+count) + 7)
		if c.err != nil {
			return c.err
		}
		l.offsets = block[pad+8:][:8*count]
		l.nextBits -= chop
	}
	l.pack(c, entries, words)
	return c.err
}

// pack takes the level's entries. One more than there are ends the last range, and 8 bytes more let any value be read as a whole.
func (l *level) pack(c *cursor, entries, words uint64) {
	l.entries = entries
	l.wordBits = required(words)
	l.total = l.wordBits + l.weights + l.nextBits
	l.data = c.take(((1+entries)*uint64(l.total)+7)/8 + 8)
}

// chopped is how many bits of a range's beginning are kept in the table of offsets: what makes table and entries smallest.
func chopped(offsets, following uint64, most uint) uint {
	need := required(following)
	best, lowest := uint(0), int64(math.MaxInt64)
	for chop := uint(0); chop <= min(need, most); chop++ {
		if change := int64(following>>(need-chop))*64 - int64(offsets)*int64(chop); change < lowest {
			best, lowest = chop, change
		}
	}
	return best
}

// bits reads up to 57 bits.
func (l *level) bits(at uint64, n uint) uint64 {
	return binary.LittleEndian.Uint64(l.data[at>>3:]) >> (at & 7) & (1<<n - 1)
}

// find looks a word up in a range.
func (l *level) find(word uint32, n node) (uint64, bool) {
	lo, hi := n.a, min(n.b, l.entries)
	for lo < hi {
		mid := lo + (hi-lo)/2
		switch w := uint32(l.bits(mid*uint64(l.total), l.wordBits)); {
		case w == word:
			return mid, true
		case w < word:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}

// read gives the weights of an entry; the longest n-grams have no backoff.
func (l *level) read(index uint64, backoff bool) (w weights) {
	at := index*uint64(l.total) + uint64(l.wordBits)
	if l.probs == nil {
		w.prob = math.Float32frombits(uint32(l.bits(at, 31)) | 1<<31)
		if backoff {
			w.backoff = math.Float32frombits(uint32(l.bits(at+31, 32)))
		}
		return w
	}
	if backoff {
		w.backoff = float(l.backoffs[4*l.bits(at, l.backBits):])
		at += uint64(l.backBits)
	}
	w.prob = float(l.probs[4*l.bits(at, l.probBits):])
	return w
}

// ranges gives where the entries are that extend one.
func (l *level) ranges(index uint64) node {
	at := index*uint64(l.total) + uint64(l.wordBits+l.weights)
	n := node{l.bits(at, l.nextBits), l.bits(at+uint64(l.total), l.nextBits)}
	if l.offsets != nil {
		n.a |= l.upper(index) << l.nextBits
		n.b |= l.upper(index+1) << l.nextBits
	}
	n.a, n.b = min(n.a, l.following), min(n.b, l.following)
	return n
}

// upper finds the last value whose first entry is not behind index.
func (l *level) upper(index uint64) uint64 {
	n := len(l.offsets) / 8
	at := sort.Search(n, func(i int) bool { return binary.LittleEndian.Uint64(l.offsets[8*i:]) > index })
	return uint64(max(at-1, 0))
}

func (t *trie) unigram(word uint32) (weights, node, bool) {
	b := t.unigrams[16*int(min(word, t.count-1)):]
	n := node{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[24:])}
	return weights{float(b), float(b[4:])}, n, n.a >= n.b
}

func (t *trie) middle(order int, word uint32, n node) (w weights, next node, alone, found bool) {
	l := &t.middles[order]
	at, ok := l.find(word, n)
	if !ok {
		return w, next, true, false
	}
	next = l.ranges(at)
	return l.read(at, true), next, next.a >= next.b, true
}

func (t *trie) longest(word uint32, n node) (float32, bool) {
	at, ok := t.long.find(word, n)
	if !ok {
		return 0, false
	}
	return t.long.read(at, false).prob, true
}
