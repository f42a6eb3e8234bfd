package beam

import "strings"

// text is a run of complete words, as the last of them and what stands before it. Equal texts are one text.
type text struct {
	before *text // nil for the empty text
	word   string
	hot    int     // hot words in it
	raw    float64 // score of the language model
	total  float64 // with that of the hot words
	state  state   // of the language model
}

// words are the text's words, in order. A word may hold Unicode spaces other than " ", which split it.
func (t *text) words() []string {
	n := 0
	for at := t; at.before != nil; at = at.before {
		n++
	}
	all := make([]string, n)
	for at := t; at.before != nil; at = at.before {
		n--
		all[n] = at.word
	}
	return split(strings.Join(all, " "))
}

// last gives the text's last n words as one string.
func (t *text) last(n int) string {
	var tail []string
	for at := t; at.before != nil && len(tail) < n; at = at.before {
		tail = append(split(at.word), tail...)
	}
	return strings.Join(tail[max(0, len(tail)-n):], " ")
}

// part is the beginning of a word. Equal beginnings are one part, whatever labels they were put together from.
type part struct {
	s     string
	score float64 // of the beginning, from hot words or the language model
}

type textKey struct {
	before *text
	word   string
}

type partKey struct {
	before *part
	label  int32
}

// compactAt is how many texts are kept before those that no beam stands on are dropped.
const compactAt = 1 << 14

// tree keeps the texts and parts of one search.
type tree struct {
	lm    *LanguageModel // may be nil
	hot   *hotWords
	root  *text
	none  *part // the empty part
	texts map[textKey]*text
	limit int // of texts, at which dead ones are dropped

	parts   map[string]*part
	grown   map[partKey]*part // of what a part becomes with a label: spares the string
	strings []string          // of the labels
}

func newTree(lm *LanguageModel, hot *hotWords, labels []string) *tree {
	t := &tree{lm: lm, hot: hot, texts: map[textKey]*text{}, limit: compactAt, root: &text{}, none: &part{}, strings: labels}
	t.parts, t.grown = map[string]*part{"": t.none}, map[partKey]*part{}
	if lm != nil {
		t.root.state = lm.begin()
	}
	return t
}

// extend is a text with one word more; no word leaves it as it is.
func (t *tree) extend(before *text, word string) *text {
	if word == "" {
		return before
	}
	k := textKey{before, word}
	if have, ok := t.texts[k]; ok {
		return have
	}
	next := t.score(before, word, false)
	t.texts[k] = next
	return next
}

// score makes a text that is not kept. The word may be empty at the end, where the reference scores it as an unknown one.
func (t *tree) score(before *text, word string, end bool) *text {
	next := &text{before: before, word: word, hot: before.hot + t.hot.count(word)}
	hot := t.hot.weight * float64(next.hot)
	if t.lm == nil {
		next.total = hot
		return next
	}
	p, s := t.lm.score(&before.state, word, end)
	next.raw, next.state = before.raw+p, s
	next.total = next.raw + hot
	return next
}

// grow is a part with one label more.
func (t *tree) grow(before *part, label int32) *part {
	k := partKey{before, label}
	if have, ok := t.grown[k]; ok {
		return have
	}
	next := t.part(before.s + t.strings[label])
	t.grown[k] = next
	return next
}

// part finds a part by its string.
func (t *tree) part(s string) *part {
	if have, ok := t.parts[s]; ok {
		return have
	}
	p := &part{s: s}
	if hot, ok := t.hot.partial(s); ok {
		p.score = hot
	} else if t.lm != nil {
		p.score = t.lm.partial(s)
	}
	t.parts[s] = p
	return p
}

// compact drops the texts that none of the beams stands on, and the parts that none ends in.
func (t *tree) compact(beams []beam) {
	if len(t.texts) < t.limit {
		return
	}
	live := map[textKey]*text{}
	parts := map[string]*part{"": t.none}
	for i := range beams {
		for at := beams[i].text; at.before != nil; at = at.before {
			k := textKey{at.before, at.word}
			if _, seen := live[k]; seen {
				break
			}
			live[k] = at
		}
		parts[beams[i].part.s] = beams[i].part
	}
	t.texts, t.limit = live, max(compactAt, 2*len(live))
	t.parts, t.grown = parts, map[partKey]*part{}
}
