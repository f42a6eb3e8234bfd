package beam

import (
	"context"
	"fmt"
	"strings"
)

// Options bound the search and name hot words, by the reference's names.
type Options struct {
	Width         int      // beam_width: beams kept after each frame
	PruneLogP     float64  // beam_prune_logp: beams that are worse than the best by more are dropped; negative
	TokenMinLogP  float64  // token_min_logp: tokens below are passed over, but for a frame's best
	PruneHistory  bool     // prune_history: of beams that the language model cannot tell apart any more, keep the best
	HotWords      []string // hotwords: words or phrases that count more
	HotWordWeight float64  // hotword_weight
}

// NewDefaultOptions are the reference's: 100 beams, -10, -5, history kept, hot words of weight 10.
func NewDefaultOptions() Options {
	return Options{Width: 100, PruneLogP: -10, TokenMinLogP: -5, HotWordWeight: 10}
}

// Validate names the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case o.Width < 1 || o.Width > 100_000:
		return fmt.Errorf("beam_width: %d is not between 1 and 100000", o.Width)
	case !(o.PruneLogP <= 0):
		return fmt.Errorf("beam_prune_logp: %v is not 0 or less", o.PruneLogP)
	case !(o.TokenMinLogP <= 0):
		return fmt.Errorf("token_min_logp: %v is not 0 or less", o.TokenMinLogP)
	case o.HotWordWeight-o.HotWordWeight != 0:
		return fmt.Errorf("hotword_weight: %v is not a finite number", o.HotWordWeight)
	}
	return nil
}

// Word is a word of a result and the frames [Start, End) that it came from, by the reference: those of some path that reads so.
type Word struct {
	Text       string  // as it stands in the transcript
	Start, End int     // frames, from 0
	Tokens     []Token // of the likeliest path that reads so

	next int // frame where that path goes on behind the word
}

// Token is one emitted column of the logits and the frame in which it began.
type Token struct {
	Column, Frame int // both from 0
}

// Result is one beam at the end of the search.
type Result struct {
	Text       string  // all words, with spaces between
	Words      []Word  // in their order
	LogitScore float64 // natural logarithm of the paths' probability
	Score      float64 // with language model and hot words: what results are ordered by
}

// Decoder searches the logits of one alphabet.
type Decoder struct {
	alphabet *Alphabet
	lm       *LanguageModel
	labels   []label
}

// label is a label, looked at once.
type label struct {
	kind          kind
	clean         string // of a piece: without the marks of boundaries
	breaks, ended bool   // of a piece: a word begins with it; the next one begins behind it
}

type kind int

const (
	letter kind = iota
	blank
	space
)

// NewDecoder joins an alphabet and a language model, which may be nil.
func NewDecoder(a *Alphabet, lm *LanguageModel) *Decoder {
	d := &Decoder{alphabet: a, lm: lm, labels: make([]label, len(a.labels))}
	for i, s := range a.labels {
		l := &d.labels[i]
		switch {
		case s == "":
			l.kind = blank
		case s == " " && !a.pieces:
			l.kind = space
		}
		l.clean = s
		if l.breaks = strings.HasPrefix(s, boundary); l.breaks {
			l.clean = strings.TrimPrefix(s, boundary)
			// The mark of a lone ▁ is both its first and its last character.
			l.ended = strings.HasSuffix(s, boundary)
			l.clean = strings.TrimSuffix(l.clean, boundary)
		} else if strings.HasSuffix(s, boundary) {
			l.ended = true
			l.clean = strings.TrimSuffix(s, boundary)
		}
	}
	return d
}

// Columns is the number of columns that logits must have.
func (d *Decoder) Columns() int { return len(d.labels) }

// LanguageModel is the decoder's language model, nil if it has none.
func (d *Decoder) LanguageModel() *LanguageModel { return d.lm }

// With is the decoder with another language model.
func (d *Decoder) With(lm *LanguageModel) *Decoder {
	other := *d
	other.lm = lm
	return &other
}

// Decode searches logits [frames, Columns()], row by row, and gives the beams that are left, best first: at least one, of an empty text
// if there are no frames. It looks at ctx now and then. Logits that are not finite numbers are an error.
func (d *Decoder) Decode(ctx context.Context, logits []float32, o Options) ([]Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(logits)%len(d.labels) != 0 {
		return nil, fmt.Errorf("%d logits are not rows of %d, the size of the decoder's alphabet", len(logits), len(d.labels))
	}
	s := d.start(o)
	if len(logits) > 0 {
		p, err := logProbs(logits, len(d.labels))
		if err != nil {
			return nil, err
		}
		s.frames = len(p) / len(d.labels)
		for f := range s.frames {
			if f%64 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.frame(f, p[f*len(d.labels):(f+1)*len(d.labels)])
		}
	}
	return s.finish(), nil
}

// start is a search before its first frame.
func (d *Decoder) start(o Options) *search {
	s := &search{Decoder: d, o: o, tree: newTree(d.lm, newHotWords(o.HotWords, o.HotWordWeight), d.alphabet.labels)}
	s.beams = []beam{{text: s.tree.root, part: s.tree.none, next: s.tree.none, last: -1, start: -1, end: -1}}
	return s
}
