package beam

// combine extends the key of an n-gram by a word on its left; the key of a single word is its number. KenLM's binaries are made with it.
func combine(key uint64, word uint32) uint64 {
	return key*8978948897894561157 ^ uint64(1+word)*17894857484156487943
}

// hashed are the n-grams of an ARPA file, by their keys.
type hashed struct {
	words    []weights // by number
	middles  []map[uint64]weights
	longests map[uint64]float32
}

func (h *hashed) unigram(word uint32) (weights, node, bool) {
	return h.words[word], node{a: uint64(word)}, false
}

func (h *hashed) middle(order int, word uint32, n node) (w weights, next node, alone, found bool) {
	next.a = combine(n.a, word)
	w, found = h.middles[order][next.a]
	return w, next, false, found
}

func (h *hashed) longest(word uint32, n node) (float32, bool) {
	p, ok := h.longests[combine(n.a, word)]
	return p, ok
}

// words are a vocabulary by name.
type words map[string]uint32

func (w words) index(word string) uint32 { return w[word] }
