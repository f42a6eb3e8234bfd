package text

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is cut out of the text before anything is split. The JSON names are tokenizer.json's.
type addedToken struct {
	ID         int32  `json:"id"` // what the file says until document.number, then what counts
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`     // eats the white space before it
	RStrip     bool   `json:"rstrip"`     // eats the white space behind it
	Normalized bool   `json:"normalized"` // looked for after the others
	Special    bool   `json:"special"`
}

// behaves says whether two tokens are found and read alike, whatever their ids.
func (a addedToken) behaves(b addedToken) bool {
	a.ID = b.ID
	return a == b
}

// matcher finds added tokens: at the leftmost place the longest.
type matcher struct {
	first   [256]bool
	by      map[byte][]addedToken // by first byte, longest first
	only    byte                  // the one first byte, if single
	single  bool
	present bool
}

func newMatcher(tokens []addedToken) *matcher {
	m := &matcher{by: map[byte][]addedToken{}}
	for _, t := range tokens {
		c := t.Content[0]
		m.first[c], m.only, m.present = true, c, true
		m.by[c] = append(m.by[c], t)
	}
	m.single = len(m.by) == 1
	for c := range m.by {
		slices.SortStableFunc(m.by[c], func(a, b addedToken) int { return cmp.Compare(len(b.Content), len(a.Content)) })
	}
	return m
}

// find is the next token in s from at on and its place; at < 0 if there is none.
func (m *matcher) find(s string, at int) (int, *addedToken) {
	for m.present && at < len(s) {
		if m.single {
			next := strings.IndexByte(s[at:], m.only)
			if next < 0 {
				break
			}
			at += next
		}
		if c := s[at]; m.first[c] {
			for i := range m.by[c] {
				if t := &m.by[c][i]; strings.HasPrefix(s[at:], t.Content) {
					return at, t
				}
			}
		}
		at++
	}
	return -1, nil
}

// cut calls yield with the pieces of s in order: a stretch between tokens with a nil token, or a token with all that it eats. Where plain is
// set, special tokens are left in the text; like every other match that does not count they still keep a shorter token inside
// them from matching, as in the reference. cut stops when yield returns false.
func (m *matcher) cut(s string, plain bool, yield func(from, to int, t *addedToken) bool) bool {
	done := 0 // s[:done] has been yielded
	for at := 0; ; {
		start, t := m.find(s, at)
		if t == nil {
			break
		}
		stop := start + len(t.Content)
		at = stop
		if plain && t.Special || t.SingleWord && !standsAlone(s, start, stop) {
			continue
		}
		if t.LStrip {
			start = max(len(strings.TrimRightFunc(s[:start], unicode.IsSpace)), done)
		}
		if t.RStrip {
			stop = len(s) - len(strings.TrimLeftFunc(s[stop:], unicode.IsSpace))
		}
		if t.LStrip && start >= stop {
			continue // the one before ate all of it
		}
		if done < start && !yield(done, start, nil) {
			return false
		}
		// A token that begins with space is found even where the one before ate that space: it has what is left.
		start, stop = max(start, done), max(stop, done)
		if !yield(start, stop, t) {
			return false
		}
		done = stop
	}
	return done >= len(s) || yield(done, len(s), nil)
}

// standsAlone says whether no word character touches s[start:stop].
func standsAlone(s string, start, stop int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:start])
	behind, _ := utf8.DecodeRuneInString(s[stop:])
	return (start == 0 || !wordRune(before)) && (stop == len(s) || !wordRune(behind))
}

// wordRune is \w of the reference: alphabetic, mark, decimal number, connector, join control.
func wordRune(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control, newLetters)
}
