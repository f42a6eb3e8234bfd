package beam

import (
	"encoding/binary"
	"math"
)

// probing are the n-grams of a KenLM binary of hash tables. The sign of a probability there says whether the n-gram is alone.
type probing struct {
	unigrams []byte
	width    int // of a word's weights
	count    uint32
	middles  []table
	long     table
}

// table is a hash table with linear probing: entries of a key and what belongs to it. A key of 0 is an empty place.
type table struct {
	data    []byte
	size    uint64 // of an entry
	buckets uint64
}

func newTable(c *cursor, entries uint64, multiplier float32, size uint64) table {
	buckets := max(entries+1, uint64(multiplier*float32(entries)))
	return table{data: c.take(buckets * size), size: size, buckets: buckets}
}

// find gives what belongs to a key.
func (t *table) find(key uint64) ([]byte, bool) {
	at := key % t.buckets
	for range t.buckets {
		entry := t.data[at*t.size : (at+1)*t.size]
		switch binary.LittleEndian.Uint64(entry) {
		case key:
			return entry[8:], true
		case 0:
			return nil, false
		}
		if at++; at == t.buckets {
			at = 0
		}
	}
	return nil, false
}

// hashedWords is the vocabulary of hash tables: numbers by the hash of a word.
type hashedWords struct {
	table
	count uint32
}

func (v *hashedWords) index(word string) uint32 {
	entry, ok := v.find(murmur(word))
	if !ok {
		return 0
	}
	if n := binary.LittleEndian.Uint32(entry); n < v.count {
		return n
	}
	return 0
}

func openProbing(data []byte, p parameters) (vocabulary, tables, error) {
	c := &cursor{data: data, at: p.size}
	c.take(8) // version and bound
	v := &hashedWords{newTable(c, p.counts[0], p.multiplier, 12), uint32(p.counts[0]) + 1}
	t := &probing{width: 8, count: v.count}
	if p.kind == kindRest {
		t.width = 12
	}
	t.unigrams = c.take((p.counts[0] + 1) * uint64(t.width))
	last := len(p.counts) - 1
	for _, n := range p.counts[1:last] {
		t.middles = append(t.middles, newTable(c, n, p.multiplier, uint64(8+t.width)))
	}
	t.long = newTable(c, p.counts[last], p.multiplier, 12)
	return v, t, c.err
}

// entry reads weights, and whether no longer n-gram ends in this one.
func entry(b []byte) (w weights, alone bool) {
	raw := float(b)
	return weights{prob: -float32(math.Abs(float64(raw))), backoff: float(b[4:])}, math.Signbit(float64(raw))
}

func (t *probing) unigram(word uint32) (weights, node, bool) {
	w, alone := entry(t.unigrams[int(min(word, t.count-1))*t.width:])
	return w, node{a: uint64(word)}, alone
}

func (t *probing) middle(order int, word uint32, n node) (w weights, next node, alone, found bool) {
	next.a = combine(n.a, word)
	b, ok := t.middles[order].find(next.a)
	if !ok {
		return w, next, true, false
	}
	w, alone = entry(b)
	return w, next, alone, true
}

func (t *probing) longest(word uint32, n node) (float32, bool) {
	b, ok := t.long.find(combine(n.a, word))
	if !ok {
		return 0, false
	}
	return -float32(math.Abs(float64(float(b)))), true
}
