package beam

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	boundary     = "▁"   // begins a word in an alphabet of pieces
	unknown      = "⁇"   // the unknown token of characters
	unknownPiece = "▁⁇▁" // the unknown token of pieces
)

// Alphabet is what the columns of the logits stand for: "" is CTC's blank, " " the end of a word in an alphabet of characters, and in one of
// pieces (BPE) what begins with ▁ begins a word.
type Alphabet struct {
	labels []string
	pieces bool
}

// ParseAlphabet reads alphabet.json: {"labels": [...], "is_bpe": bool}.
func ParseAlphabet(data []byte) (*Alphabet, error) {
	var doc struct {
		Labels []string `json:"labels"`
		Pieces *bool    `json:"is_bpe"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading the alphabet: %w", err)
	}
	if doc.Pieces == nil || len(doc.Labels) == 0 {
		return nil, fmt.Errorf("reading the alphabet: want the keys labels and is_bpe")
	}
	return newAlphabet(doc.Labels, *doc.Pieces)
}

func newAlphabet(labels []string, pieces bool) (*Alphabet, error) {
	seen := map[string]bool{}
	for _, l := range labels {
		if seen[l] {
			return nil, fmt.Errorf("the alphabet holds %q twice", l)
		}
		seen[l] = true
		if strings.Contains(l, " ") && (pieces || l != " ") {
			return nil, fmt.Errorf("the alphabet's label %q holds a space", l)
		}
	}
	return &Alphabet{labels, pieces}, nil
}

var (
	specialPattern = regexp.MustCompile(`^[<\[].+[>\]]$`)
	blankPattern   = regexp.MustCompile(`(?i)^[<\[]pad[>\]]$`)
	unknownPattern = regexp.MustCompile(`(?i)^[<\[]unk[>\]]$`)
)

// BuildAlphabet makes an alphabet of a vocabulary's tokens in the order of their numbers, as the reference's build_alphabet does: <pad> or _ is the
// blank, | the space, ## continues a word in an alphabet of pieces. If there is no blank, one is added at the end, so
// that logits need one column more.
func BuildAlphabet(tokens []string) (*Alphabet, error) {
	labels := slices.Clone(tokens)
	has := func(l string) bool { return slices.Contains(labels, l) }
	begins := func(p string) bool {
		return slices.ContainsFunc(labels, func(l string) bool { return strings.HasPrefix(l, p) })
	}
	swap := func(p *regexp.Regexp, by string) {
		for i, l := range labels {
			if p.MatchString(l) {
				labels[i] = by
			}
		}
	}
	hashes := begins("##")
	pieces := hashes || begins(boundary)
	if hashes {
		for i, l := range labels {
			labels[i] = piece(l)
		}
	}
	if !pieces && has("|") && !has(" ") {
		labels[slices.Index(labels, "|")] = " "
	}
	swap(blankPattern, "")
	if !pieces && has("_") && !has("") {
		labels[slices.Index(labels, "_")] = ""
	}
	if !has("") {
		labels = append(labels, "")
	}
	if pieces {
		swap(unknownPattern, unknownPiece)
	} else {
		swap(unknownPattern, unknown)
	}
	return newAlphabet(labels, pieces)
}

// piece turns ##-style tokens into those with ▁.
func piece(token string) string {
	if rest, ok := strings.CutPrefix(token, "##"); ok {
		return rest
	}
	if specialPattern.MatchString(token) || token == "" || token == boundary || token == unknownPiece {
		return token
	}
	return boundary + token
}

// Labels are the columns' labels.
func (a *Alphabet) Labels() []string { return slices.Clone(a.labels) }

// split is Python's str.split.
func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f })
}
