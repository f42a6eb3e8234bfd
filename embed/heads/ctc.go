package heads

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// DecodeOptions are the arguments of the reference's decode. The zero value is what its speech recognition pipeline uses.
type DecodeOptions struct {
	SkipSpecialTokens bool // drop the special tokens, the blank included, before repeats are grouped; offsets then count what is left
	KeepRepeats       bool // group_tokens=False
	SpaceTokens       bool // spaces_between_special_tokens=True: a space between all tokens of the text
}

// Offset is a piece of text and the frames [Start, End) that it came from.
type Offset struct {
	Text       string
	Start, End int
}

// Decoded is what one sequence of frames says.
type Decoded struct {
	Text  string
	Chars []Offset // every token that is not blank; a word delimiter as its replacement
	Words []Offset // runs without a delimiter; not lowered, even if do_lower_case lowers the text, as in the reference
}

// Decode collapses one token id per frame as Wav2Vec2CTCTokenizer does: repeats are one, blanks are nothing, a repeat across a
// blank is two. It follows transformers 4.55.4.
func (t *CTCTokenizer) Decode(ids []int, o DecodeOptions) Decoded {
	var d Decoded
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if o.SkipSpecialTokens && t.special[t.token(id)] {
			continue
		}
		tokens = append(tokens, t.token(id))
	}
	for at := 0; at < len(tokens); {
		end := at + 1
		for !o.KeepRepeats && end < len(tokens) && tokens[end] == tokens[at] {
			end++
		}
		switch tokens[at] {
		case t.blank:
		case t.delimiter:
			d.Chars = append(d.Chars, Offset{t.space, at, end})
		default:
			d.Chars = append(d.Chars, Offset{tokens[at], at, end})
		}
		at = end
	}
	d.Words = words(d.Chars, t.space)
	d.Text = t.text(d.Chars, o)
	return d
}

func (t *CTCTokenizer) text(chars []Offset, o DecodeOptions) string {
	glue := ""
	if o.SpaceTokens {
		glue = " "
	}
	var b strings.Builder
	for i, c := range chars {
		if i > 0 {
			b.WriteString(glue)
		}
		b.WriteString(c.Text)
	}
	text := strings.TrimFunc(b.String(), pythonSpace)
	if t.lower {
		text = cases.Lower(language.Und).String(text) // a Caser keeps state: one per call
	}
	if t.cleanUp {
		text = cleanUp(text)
	}
	return text
}

// words joins characters up to the next delimiter. As in the reference, the blanks between two characters of a word are inside it, those around it are not.
func words(chars []Offset, delimiter string) []Offset {
	var all []Offset
	open := false
	for _, c := range chars {
		switch {
		case c.Text == delimiter:
			open = false
		case !open:
			all = append(all, c)
			open = true
		default:
			w := &all[len(all)-1]
			w.Text += c.Text
			w.End = c.End
		}
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
