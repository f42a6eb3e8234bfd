package heads

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// TokenEntity is one entry of the reference's token-classification pipeline without aggregation, in its JSON form. Start and End are
// code points of the text.
type TokenEntity struct {
	Entity string  `json:"entity"` // label of id2label
	Score  float64 `json:"score"`  // probability, 0 to 1
	Index  int     `json:"index"`  // of the token in the model's input, special ones counted
	Word   string  `json:"word"`   // the token, as the vocabulary has it
	Start  int     `json:"start"`  // first code point
	End    int     `json:"end"`    // behind the last
}

// TaggedEntity is one entry of that pipeline with aggregation, in its JSON form. Start and End are code points of the text.
type TaggedEntity struct {
	Group string  `json:"entity_group"` // label without its B- or I-
	Score float64 `json:"score"`        // mean probability, 0 to 1
	Word  string  `json:"word"`         // text of its tokens, by the tokenizer
	Start int     `json:"start"`        // first code point
	End   int     `json:"end"`          // behind the last
}

// ScoredToken is a token of the text, special ones around it left out.
type ScoredToken struct {
	Index      int       // in the model's input
	Word       string    // the token, as the vocabulary has it
	Logits     []float32 // one for each label
	Start, End int       // code points of the text
	Unknown    bool      // the unknown token: it is a word of its own
}

// Strategy is how tokens become entities.
type Strategy string

// The aggregation strategies of the pipeline.
const (
	StrategyNone    Strategy = "none"
	StrategySimple  Strategy = "simple"
	StrategyFirst   Strategy = "first"
	StrategyAverage Strategy = "average"
	StrategyMax     Strategy = "max"
)

// Tagger makes entities of tokens.
type Tagger struct {
	Labels   []string                     // in order of id
	Ignore   []string                     // labels and groups that are left out
	Strategy Strategy                     // how tokens become entities
	Join     func(tokens []string) string // the tokenizer's text of tokens
}

// scored is a token with probabilities.
type scored struct {
	ScoredToken
	probs   []float64
	subword bool
}

// labelled is a token, or a word, with its label.
type labelled struct {
	label      string
	score      float64
	word       string
	start, end int
	index      int
}

// Tagged is one window of labelled tokens or words.
type Tagged []labelled

// Tag labels the tokens of one window of text.
func (g *Tagger) Tag(text []rune, tokens []ScoredToken) (Tagged, error) {
	all := make([]scored, len(tokens))
	for i, t := range tokens {
		if len(t.Logits) != len(g.Labels) {
			return nil, fmt.Errorf("the model gives %d logits for %d labels", len(t.Logits), len(g.Labels))
		}
		p := softmax(t.Logits)
		if !finite(p) {
			return nil, ErrNotFinite
		}
		all[i] = scored{t, p, subword(text, t.Start)}
		if t.Unknown {
			all[i].Word, all[i].subword = string(text[t.Start:t.End]), false
		}
	}
	switch g.Strategy {
	case StrategyNone, StrategySimple:
		out := make([]labelled, len(all))
		for i, t := range all {
			at := argmax(t.probs)
			out[i] = labelled{g.Labels[at], t.probs[at], t.Word, t.Start, t.End, t.Index}
		}
		return out, nil
	case StrategyFirst, StrategyAverage, StrategyMax:
		return g.words(all), nil
	}
	return nil, fmt.Errorf("aggregation_strategy %q is not one of none, simple, first, average, max", g.Strategy)
}

// subword is the reference's guess for tokenizers that do not mark word parts: a token that no space precedes continues the word,
// punctuation too.
func subword(text []rune, start int) bool {
	return start > 0 && !slices.Contains(text[start-1:min(start+1, len(text))], ' ')
}

// words makes one labelled word of each first token and the subwords after it.
func (g *Tagger) words(all []scored) []labelled {
	var out []labelled
	for at := 0; at < len(all); {
		end := at + 1
		for end < len(all) && all[end].subword {
			end++
		}
		out = append(out, g.word(all[at:end]))
		at = end
	}
	return out
}

func (g *Tagger) word(parts []scored) labelled {
	probs := parts[0].probs
	switch g.Strategy {
	case StrategyMax:
		for _, p := range parts[1:] {
			if slices.Max(p.probs) > slices.Max(probs) {
				probs = p.probs
			}
		}
	case StrategyAverage:
		probs = make([]float64, len(g.Labels))
		for _, p := range parts {
			for i, v := range p.probs {
				probs[i] += v / float64(len(parts))
			}
		}
	}
	spelled := make([]string, len(parts))
	for i, p := range parts {
		spelled[i] = p.Word
	}
	at := argmax(probs)
	return labelled{label: g.Labels[at], score: probs[at], word: g.Join(spelled), start: parts[0].Start, end: parts[len(parts)-1].End}
}

// Single lists the tokens of windows without aggregation.
func (g *Tagger) Single(windows []Tagged) []TokenEntity {
	out := []TokenEntity{}
	for _, tokens := range windows {
		for _, t := range tokens {
			if !slices.Contains(g.Ignore, t.label) {
				out = append(out, TokenEntity{t.label, t.score, t.index, t.word, t.start, t.end})
			}
		}
	}
	return out
}

// Grouped joins adjacent tokens or words of one tag, in each window, and settles what the windows' overlaps disagree about.
func (g *Tagger) Grouped(windows []Tagged) []TaggedEntity {
	out := []TaggedEntity{}
	for _, tokens := range windows {
		for at := 0; at < len(tokens); {
			end := at + 1
			for end < len(tokens) && continues(tokens[end-1].label, tokens[end].label) {
				end++
			}
			if e := g.group(tokens[at:end]); !slices.Contains(g.Ignore, e.Group) {
				out = append(out, e)
			}
			at = end
		}
	}
	if len(windows) > 1 {
		out = settle(out)
	}
	return out
}

// continues says whether a label goes on with the group of the one before: the same tag, and not a beginning. Labels without a mark are
// insides.
func continues(before, label string) bool {
	begin, tag := split(label)
	_, last := split(before)
	return tag == last && !begin
}

func split(label string) (begin bool, tag string) {
	if tag, ok := strings.CutPrefix(label, "B-"); ok {
		return true, tag
	}
	return false, strings.TrimPrefix(label, "I-")
}

func (g *Tagger) group(tokens []labelled) TaggedEntity {
	e := TaggedEntity{Group: tokens[0].label, Start: tokens[0].start, End: tokens[len(tokens)-1].end}
	if _, behind, marked := strings.Cut(e.Group, "-"); marked { // whatever the mark is
		e.Group = behind
	}
	words := make([]string, len(tokens))
	for i, t := range tokens {
		words[i] = t.word
		e.Score += t.score / float64(len(tokens))
	}
	e.Word = g.Join(words)
	return e
}

// settle keeps of overlapping entities the longest, and the better of equals; each is compared with the one that is pending only, as in
// the reference. It changes all, and gives a part of it.
func settle(all []TaggedEntity) []TaggedEntity {
	if len(all) == 0 {
		return all
	}
	slices.SortStableFunc(all, func(a, b TaggedEntity) int { return cmp.Compare(a.Start, b.Start) })
	out := all[:0] // never longer than what has been read
	pending := all[0]
	for _, e := range all {
		if pending.Start > e.Start || e.Start >= pending.End {
			out = append(out, pending)
			pending = e
			continue
		}
		now, was := e.End-e.Start, pending.End-pending.Start
		if now > was || now == was && e.Score > pending.Score {
			pending = e
		}
	}
	return append(out, pending)
}
