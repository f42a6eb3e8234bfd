package beam

import "math"

// maxOrder is the longest n-gram that is read; KenLM is usually built for 6.
const maxOrder = 10

// Model is an n-gram language model with backoff. Probabilities and backoffs are logarithms to base 10.
type Model struct {
	order  int
	vocab  vocabulary
	tables tables
	listed []string
	close  func() error
}

// vocabulary gives a word's number; 0 is every word that the model does not know.
type vocabulary interface {
	index(word string) uint32
}

// weights of an n-gram. Longer n-grams cannot begin with one that is closed on the right.
type weights struct {
	prob, backoff float32
}

// extends says whether longer n-grams begin with this one: KenLM marks those that do not with a backoff of minus zero.
func (w weights) extends() bool { return math.Float32bits(w.backoff) != 1<<31 }

// node is a place in the tables from which an n-gram is extended by a word on its left: a hash, or a range of a trie.
type node struct{ a, b uint64 }

// tables hold the n-grams, looked up from their last word to their first.
type tables interface {
	// unigram gives a word's weights, and alone if no longer n-gram ends in it.
	unigram(word uint32) (w weights, n node, alone bool)
	// middle extends by one word on the left to an n-gram of order+2 words.
	middle(order int, word uint32, n node) (w weights, next node, alone, found bool)
	longest(word uint32, n node) (prob float32, found bool)
}

// state is the context of the next word, the latest first, with the backoffs of the contexts of length 1, 2, ...
type state struct {
	words   [maxOrder - 1]uint32
	backoff [maxOrder - 1]float32
	length  int
}

// Order is the length of the longest n-gram.
func (m *Model) Order() int { return m.order }

// Has says whether the model knows a word.
func (m *Model) Has(word string) bool { return m.vocab.index(word) != 0 }

// Listed are the words of an ARPA file that have a backoff, which is what the reference takes for the words that exist if it is given none. A binary
// lists none.
func (m *Model) Listed() []string { return m.listed }

// Close gives a binary's mapping back. The model must not be used afterwards.
func (m *Model) Close() error { return m.close() }

// begin is the state behind <s>.
func (m *Model) begin() state {
	var s state
	s.length = 1
	s.words[0] = m.vocab.index("<s>")
	w, _, _ := m.tables.unigram(s.words[0])
	s.backoff[0] = w.backoff
	return s
}

// score is the log10 probability of a word behind a state, and the state behind the word.
func (m *Model) score(in *state, word uint32) (float32, state) {
	var out state
	w, n, alone := m.tables.unigram(word)
	prob, matched := w.prob, 1
	out.words[0], out.backoff[0] = word, w.backoff
	if w.extends() {
		out.length = 1
	}
	for i := 0; i < in.length && !alone; i++ {
		if i == m.order-2 {
			if p, ok := m.tables.longest(in.words[i], n); ok {
				prob, matched = p, m.order
			}
			break
		}
		var found bool
		if w, n, alone, found = m.tables.middle(i, in.words[i], n); !found {
			break
		}
		prob, matched = w.prob, i+2
		out.backoff[i+1] = w.backoff
		if w.extends() {
			out.length = matched
		}
	}
	if out.length > 1 {
		copy(out.words[1:out.length], in.words[:])
	}
	for _, b := range in.backoff[min(matched-1, in.length):in.length] {
		prob += b
	}
	return prob, out
}

// LogProb is the log10 probability of a sentence of words, with its end.
func (m *Model) LogProb(words ...string) float64 {
	s, sum := m.begin(), 0.0
	for _, w := range append(words[:len(words):len(words)], "</s>") {
		p, next := m.score(&s, m.vocab.index(w))
		sum, s = sum+float64(p), next
	}
	return sum
}
