package beam

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Weights say how a language model counts.
type Weights struct {
	Alpha         float64 `json:"alpha"`            // of the model's probability
	Beta          float64 `json:"beta"`             // added for every word
	UnknownOffset float64 `json:"unk_score_offset"` // added (log10, before Alpha) for every unknown word, and to what begins no known word
	ScoreBoundary bool    `json:"score_boundary"`   // count the beginning and the end of the text
}

// NewDefaultWeights are the reference's: 0.5, 1.5, -10, true.
func NewDefaultWeights() Weights {
	return Weights{Alpha: 0.5, Beta: 1.5, UnknownOffset: -10, ScoreBoundary: true}
}

// usualLength is how many characters an unknown beginning of a word may have before it costs more.
const usualLength = 6

// ln10 turns log10 into natural logarithms, with the reference's rounding.
const ln10 = 1 / 0.4342944819032518

// LanguageModel scores words and beginnings of words for a [Decoder].
type LanguageModel struct {
	Weights
	model    *Model
	unigrams []string // sorted; of them only those that the model knows
	known    map[string]bool
}

// NewLanguageModel joins a model and a list of the words that exist, of which those count that the model knows. Without a list every
// beginning of a word is unknown until the word is complete, which makes results much worse.
func NewLanguageModel(m *Model, unigrams []string, w Weights) *LanguageModel {
	lm := &LanguageModel{Weights: w, model: m, known: map[string]bool{}}
	for _, u := range unigrams {
		if m.Has(u) && !lm.known[u] {
			lm.known[u] = true
			lm.unigrams = append(lm.unigrams, u)
		}
	}
	slices.Sort(lm.unigrams)
	return lm
}

// Close gives the model's mapping back.
func (lm *LanguageModel) Close() error { return lm.model.Close() }

func (lm *LanguageModel) begin() state {
	if lm.ScoreBoundary {
		return lm.model.begin()
	}
	return state{}
}

// score is the weighted natural logarithm of a word's probability, of the text's end as well if last.
func (lm *LanguageModel) score(in *state, word string, last bool) (float64, state) {
	id := lm.model.vocab.index(word)
	p, out := lm.model.score(in, id)
	score := float64(p)
	if id == 0 || len(lm.known) > 0 && !lm.known[word] {
		score += lm.UnknownOffset
	}
	if last && lm.ScoreBoundary {
		end, _ := lm.model.score(&out, lm.model.vocab.index("</s>"))
		score += float64(end)
	}
	return lm.Alpha*score*ln10 + lm.Beta, out
}

// partial scores the beginning of a word.
func (lm *LanguageModel) partial(part string) float64 {
	at := sort.SearchStrings(lm.unigrams, part)
	if at < len(lm.unigrams) && strings.HasPrefix(lm.unigrams[at], part) {
		return 0
	}
	score := lm.UnknownOffset
	if n := utf8.RuneCountInString(part); n > usualLength {
		score = score * float64(n) / usualLength
	}
	return score
}

// hotWords are words that count more than others.
type hotWords struct {
	weight float64
	words  map[string]bool
	sorted []string
}

// newHotWords takes words or phrases; each word of a phrase counts by itself.
func newHotWords(phrases []string, weight float64) *hotWords {
	h := &hotWords{weight: weight, words: map[string]bool{}}
	for _, p := range phrases {
		for _, w := range split(p) {
			if !h.words[w] {
				h.words[w] = true
				h.sorted = append(h.sorted, w)
			}
		}
	}
	slices.Sort(h.sorted)
	return h
}

// count is how many hot words are in a word of the search, which may hold several by Unicode's spaces.
func (h *hotWords) count(word string) int {
	if len(h.words) == 0 {
		return 0
	}
	n := 0
	for _, w := range split(word) {
		if h.words[w] {
			n++
		}
	}
	return n
}

// partial scores the beginning of a hot word by how much of the shortest that begins so is there; ok is false if none does.
func (h *hotWords) partial(part string) (score float64, ok bool) {
	shortest := 0
	for _, w := range h.sorted[sort.SearchStrings(h.sorted, part):] {
		if !strings.HasPrefix(w, part) {
			break
		}
		if n := utf8.RuneCountInString(w); shortest == 0 || n < shortest {
			shortest = n
		}
	}
	if shortest == 0 {
		return 0, false
	}
	return h.weight * float64(utf8.RuneCountInString(part)) / float64(shortest), true
}
