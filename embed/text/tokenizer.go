package text

import (
	"strings"
	"unicode/utf8"
)

// Tokenizer encodes text as a checkpoint's tokenizer does. It is safe for concurrent use.
type Tokenizer struct {
	bpe    bpe
	cache  *cache
	early  *matcher // added tokens that are not normalized: looked for first
	late   *matcher // the other added tokens
	tokens []string // bytes of each id, "" for ids that do not exist
	size   int      // ids of the vocabulary, without added tokens
	spaces []edges  // of each id
	isSpec []bool   // of each id: an added token that is special

	spelled map[int32]string // added tokens as the files spell them

	before, after []int32    // special tokens around a text
	pair          [3][]int32 // before, between and behind two texts
	types         [2]typing  // of the tokens of one text, and of two
	listsTypes    bool       // the model is given them
	adjustable    bool       // tokenizer_config.json may say otherwise about trimming
	prefixSpace   bool       // a space goes before text that does not begin with one
	trim          bool       // offsets leave out leading and trailing spaces
	keepsPrefix   bool       // trimming knows of the prefix space
	pad           int32
	roles         map[string]int32 // ids of the special tokens by their names in the configuration
	maxLength     int              // special tokens included
	cleansUp      bool             // decoded text loses spaces before punctuation
	cutsLeft      bool             // long text loses its beginning
	padsLeft      bool             // padding goes before the text
}

// edges counts the spaces that a token begins and ends with.
type edges struct {
	lead, trail int32
}

// Encoding is the tokens of a text, without the special tokens that go around it.
type Encoding struct {
	IDs     []int32    // in the vocabulary, in the text's order
	Offsets [][2]int32 // [start, end) in code points of the text
	Words   []int32    // number of the word of the split that each token is of
}

// Encode gives the tokens of valid UTF-8 text. limit, if positive, ends it as soon as there are more tokens than that:
// the first limit tokens are then those of the whole text.
func (t *Tokenizer) Encode(text string, specials Specials, limit int) *Encoding {
	e := newEncoder(t, text, limit)
	e.run(specials == Plain)
	return &e.out
}

// encoder is one run of Encode, left to right.
type encoder struct {
	t       *Tokenizer
	text    string
	limit   int
	out     Encoding
	runes   int32 // code points before the place that has been reached
	words   int32 // splits before it
	scratch []symbol
	check   func(word int) error // nil, or asked before each word of so many bytes; an error ends the run
	err     error
}

func newEncoder(t *Tokenizer, text string, limit int) *encoder {
	room := len(text)/3 + 8
	if limit > 0 {
		room = min(room, limit+cachedWord)
	}
	e := &encoder{t: t, text: text, limit: limit}
	e.out.IDs, e.out.Offsets, e.out.Words = make([]int32, 0, room), make([][2]int32, 0, room), make([]int32, 0, room)
	return e
}

// run encodes the text. plain leaves special tokens in it.
func (e *encoder) run(plain bool) {
	e.t.early.cut(e.text, plain, func(from, to int, a *addedToken) bool {
		if a != nil {
			return e.added(from, to, a)
		}
		return e.t.late.cut(e.text[from:to], plain, func(f, g int, a *addedToken) bool {
			if a != nil {
				return e.added(from+f, from+g, a)
			}
			return e.piece(e.text[from+f : from+g])
		})
	})
}

// room says whether more tokens are wanted.
func (e *encoder) room() bool { return e.limit <= 0 || len(e.out.IDs) <= e.limit }

// emit appends a token that begins and ends with spaces.
func (e *encoder) emit(id int32, spaces edges, start, end int32) {
	if e.t.trim {
		start, end = e.t.trimmed(spaces, start, end, len(e.out.IDs) == 0)
	}
	e.out.IDs = append(e.out.IDs, id)
	e.out.Offsets = append(e.out.Offsets, [2]int32{start, end})
	e.out.Words = append(e.out.Words, e.words)
}

// added emits an added token that takes text[from:to].
func (e *encoder) added(from, to int, a *addedToken) bool {
	n := int32(utf8.RuneCountInString(e.text[from:to]))
	e.emit(a.ID, outside(e.text[from:to]), e.runes, e.runes+n) // what it ate is part of it, until trimming
	e.runes += n
	e.words++
	return e.room()
}

// piece emits the tokens of a stretch between added tokens.
func (e *encoder) piece(s string) bool {
	ahead := 0 // bytes of s that are not of the text
	if e.t.prefixSpace && s[0] != ' ' {
		s, ahead = " "+s, 1
	}
	for at := 0; at < len(s); {
		end := wordEnd(s, at)
		if e.check != nil {
			if e.err = e.check(end - at); e.err != nil {
				return false
			}
		}
		e.word(s[at:end], ahead)
		ahead = 0
		at = end
		if !e.room() {
			return false
		}
	}
	return true
}

// word emits the tokens of a word whose first ahead bytes are a prefix space.
func (e *encoder) word(w string, ahead int) {
	var symbols []symbol
	symbols, e.scratch = e.t.cache.symbols(&e.t.bpe, w, e.scratch)
	w = w[ahead:]
	if ascii(w) {
		at := -ahead
		for _, s := range symbols {
			end := at + int(s.n)
			// A prefix space lies where the first character does, and so does a token of nothing else.
			e.emit(s.id, e.t.spaces[s.id], e.runes+int32(max(at, 0)), e.runes+int32(max(end, 1)))
			at = end
		}
		e.runes += int32(len(w))
	} else {
		e.wide(symbols, w, ahead)
	}
	e.words++
}

// wide is word for text that is not ASCII: a token that has some bytes of a character covers the character.
func (e *encoder) wide(symbols []symbol, w string, ahead int) {
	at := -ahead
	begun, b := int32(0), 0 // characters that begin in w[:b]
	upTo := func(n int) int32 {
		for ; b < n; b++ {
			if utf8.RuneStart(w[b]) {
				begun++
			}
		}
		return begun
	}
	for _, s := range symbols {
		end := at + int(s.n)
		start := upTo(max(at, 0)+1) - 1
		e.emit(s.id, e.t.spaces[s.id], e.runes+start, e.runes+upTo(max(end, 1)))
		at = end
	}
	e.runes += int32(utf8.RuneCountInString(w))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// trimmed takes the spaces of a token out of its offsets, as the reference's ByteLevel does: spaces are counted in the token, and at the
// start of the text one of them may be the prefix.
func (t *Tokenizer) trimmed(s edges, start, end int32, first bool) (int32, int32) {
	if s.lead > 0 {
		lead := s.lead
		if t.keepsPrefix && lead == 1 && (first || start == 0) {
			lead = 0 // it is the prefix, or looks like it
		}
		start = min(start+lead, end)
	}
	if s.trail > 0 && end >= s.trail {
		end = max(end-s.trail, start)
	}
	return start, end
}

// Decode is the text of token ids. Ids that do not exist give nothing; where the bytes of several tokens do not make a
// character, U+FFFD stands. Spaces before punctuation go where the configuration says so (clean_up_tokenization_spaces).
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var b strings.Builder
	for _, id := range ids {
		if id < 0 || int(id) >= len(t.tokens) || skipSpecial && t.isSpec[id] {
			continue
		}
		b.WriteString(t.tokens[id])
	}
	s := replaceInvalid(b.String())
	if t.cleansUp {
		return CleanUp(s)
	}
	return s
}

// CleanUp takes the spaces before punctuation and contractions out of text, as the reference's clean_up_tokenization does.
func CleanUp(text string) string {
	for _, r := range [...][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

// Around gives the special tokens that go before and behind a text.
func (t *Tokenizer) Around() (before, after []int32) { return t.before, t.after }

// AroundPair gives the special tokens that go before, between and behind two texts.
func (t *Tokenizer) AroundPair() (before, between, after []int32) {
	return t.pair[0], t.pair[1], t.pair[2]
}

// MaxLength is the longest sequence that the tokenizer's configuration allows, special tokens included; 0 if it sets no
// limit.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

// CutsLeft says whether the configuration has long text lose its beginning (truncation_side left) in place of its end.
func (t *Tokenizer) CutsLeft() bool { return t.cutsLeft }

// PadsLeft says whether the configuration has padding before the text (padding_side left).
func (t *Tokenizer) PadsLeft() bool { return t.padsLeft }

// Pad is the id of the padding token.
func (t *Tokenizer) Pad() int32 { return t.pad }
