package heads

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// DecodeOptions are the arguments of the reference's decode. The zero value is what its speech recognition pipeline uses.
type DecodeOptions struct {
	SkipSpecialTokens bool // drop the special tokens, the blank included, before repeats are grouped; offsets then count what is left
	KeepRepeats       bool // group_tokens=False
	SpaceTokens       bool // spaces_between_special_tokens=True: a space between all tokens of the text, as phones have in any case
}

// Offset is a piece of text and the frames [Start, End) that it came from.
type Offset struct {
	Text       string // a character (token) or a word
	Start, End int    // from 0
}

// Decoded is what one sequence of frames says.
type Decoded struct {
	Text  string   // as the tokenizer joins it, cleaned up as it is told
	Chars []Offset // every token that is not blank; a word delimiter as its replacement, but not among phones
	Words []Offset // runs without a delimiter; not lowered, even if do_lower_case lowers the text, as in the reference; of phones, Chars
}

// Decode collapses one token id per frame as the tokenizer's class does: repeats are one, blanks are nothing, a repeat across a
// blank is two. It follows transformers 4.55.4.
func (t *CTCTokenizer) Decode(ids []int, o DecodeOptions) Decoded {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if o.SkipSpecialTokens && t.isSpecial(id) {
			continue
		}
		tokens = append(tokens, t.token(id))
	}
	said := 0 // counted first: growing would take several times as much, of hours
	for at, token := range tokens {
		if token != t.blank && (at == 0 || o.KeepRepeats || token != tokens[at-1]) {
			said++
		}
	}
	d := Decoded{Chars: slices.Grow([]Offset(nil), said)}
	for at := 0; at < len(tokens); {
		end := at + 1
		for !o.KeepRepeats && end < len(tokens) && tokens[end] == tokens[at] {
			end++
		}
		switch delimiter := t.delimits && tokens[at] == t.delimiter; {
		case tokens[at] == t.blank, delimiter && t.phones:
		case delimiter:
			d.Chars = append(d.Chars, Offset{t.space, at, end})
		default:
			d.Chars = append(d.Chars, Offset{tokens[at], at, end})
		}
		at = end
	}
	if t.phones {
		d.Words, d.Text = d.Chars, t.finish(joined(d.Chars, " "))
		return d
	}
	all := joined(d.Chars, "")
	d.Words = words(d.Chars, t.space, all)
	if o.SpaceTokens {
		all = joined(d.Chars, " ")
	}
	d.Text = t.finish(all)
	return d
}

// isSpecial says whether an id is left out with the special tokens. Of phones the reference looks at the id, which is none of theirs where it has no token.
func (t *CTCTokenizer) isSpecial(id int) bool {
	name := t.token(id)
	return t.special[name] && (!t.phones || slices.Index(t.tokens, name) == id)
}

// joined is the text of all characters.
func joined(chars []Offset, glue string) string {
	n := 0
	for _, c := range chars {
		n += len(c.Text) + len(glue)
	}
	var b strings.Builder
	b.Grow(n)
	for i, c := range chars {
		if i > 0 {
			b.WriteString(glue)
		}
		b.WriteString(c.Text)
	}
	return b.String()
}

// finish makes the transcript of the text of all characters.
func (t *CTCTokenizer) finish(text string) string {
	text = strings.TrimFunc(text, pythonSpace)
	if t.lower {
		text = cases.Lower(language.Und).String(text) // a Caser keeps state: one per call
	}
	if t.cleanUp {
		text = cleanUp(text)
	}
	return text
}

// words joins characters up to the next delimiter; text is that of all of them, and words are parts of it: a script without delimiters makes one word of hours. As in the reference, the blanks between two
// characters of a word are inside it, those around it are not.
func words(chars []Offset, delimiter, text string) []Offset {
	n := 0
	for i, c := range chars {
		if c.Text != delimiter && (i == 0 || chars[i-1].Text == delimiter) {
			n++
		}
	}
	all := slices.Grow([]Offset(nil), n)
	open, from, at := false, 0, 0 // where the open word begins in text, and the character
	for _, c := range chars {
		switch {
		case c.Text == delimiter:
			open = false
		case !open:
			all = append(all, c)
			open, from = true, at
			all[len(all)-1].Text = text[from : at+len(c.Text)]
		default:
			w := &all[len(all)-1]
			w.Text, w.End = text[from:at+len(c.Text)], c.End
		}
		at += len(c.Text)
	}
	return all
}

// pythonSpace is what Python's str.strip removes.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// cleanUp is clean_up_tokenization: one replacement after the other, each over the whole text.
func cleanUp(text string) string {
	for _, r := range [...][2]string{
		{" .", "."},
		{" ?", "?"},
		{" !", "!"},
		{" ,", ","},
		{" ' ", "'"},
		{" n't", "n't"},
		{" 'm", "'m"},
		{" 's", "'s"},
		{" 've", "'ve"},
		{" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}
