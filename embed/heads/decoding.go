package heads

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vecmill/embed/beam"
	"vecmill/model/config"
)

// Decoding says how a transcript is searched for among the tokens' probabilities. The zero value is greedy: each frame's best token; for
// beams, start with [NewBeamDecoding].
type Decoding struct {
	Beam          bool         // search with beams
	LanguageModel string       // path of an ARPA or KenLM file; empty means the checkpoint's own, if it has one
	Unigrams      string       // path of the words that exist, one a line; empty means the checkpoint's, or those of an ARPA file
	Options       beam.Options // of the search

	// What differs from the checkpoint's attrs.json, or from the reference's defaults where there is none.
	Alpha, Beta, UnknownOffset *float64
	ScoreBoundary              *bool // of the language model: its end of a sentence counts
}

// NewBeamDecoding is a search with the reference's options.
func NewBeamDecoding() Decoding { return Decoding{Beam: true, Options: beam.NewDefaultOptions()} }

// ErrNoLanguageModel is of options that weigh a language model where there is none.
var ErrNoLanguageModel = errors.New("they are of a language model")

// OpenDecoder opens the beam decoder of a checkpoint directory: its alphabet.json, or the tokens of its vocabulary, with its language model or the
// one that is named. columns is how many logits a frame has, 0 if that is not known.
func (o Decoding) OpenDecoder(dir string, columns int) (*beam.Decoder, error) {
	if err := o.Options.Validate(); err != nil {
		return nil, err
	}
	d, err := o.alphabet(dir, columns)
	if err != nil {
		return nil, err
	}
	if o.LanguageModel != "" {
		lm, err := o.languageModel()
		if err != nil {
			return nil, err
		}
		if old := d.LanguageModel(); old != nil {
			if err := old.Close(); err != nil {
				return nil, err
			}
		}
		d = d.With(lm)
	}
	lm := d.LanguageModel()
	if lm == nil && (o.Alpha != nil || o.Beta != nil || o.UnknownOffset != nil || o.ScoreBoundary != nil) {
		return nil, fmt.Errorf("alpha, beta, the offset of unknown words or the score at boundaries: %w: %s has none, and none is named", ErrNoLanguageModel, dir)
	}
	if lm != nil {
		override(&lm.Alpha, o.Alpha)
		override(&lm.Beta, o.Beta)
		override(&lm.UnknownOffset, o.UnknownOffset)
		override(&lm.ScoreBoundary, o.ScoreBoundary)
	}
	return d, nil
}

// files are those that transcripts depend on, by what they are to the search; see OpenDecoder and, of greedy transcripts, LoadCTCTokenizer. Not all of them need be there.
func (o Decoding) files(dir string) (map[string]string, error) {
	var names []string
	if o.Beam && beam.Present(dir) {
		alphabet, own, err := beam.Files(dir)
		if err != nil {
			return nil, err
		}
		if names = []string{alphabet}; o.LanguageModel == "" {
			names = append(names, own...)
		}
	} else {
		names = tokenizerFiles()
		if listsAdded(dir) {
			names = slices.DeleteFunc(names, func(name string) bool { return name == addedFile })
		}
	}
	paths := map[string]string{}
	for _, name := range names {
		paths[filepath.ToSlash(name)] = filepath.Join(dir, name)
	}
	if o.Beam && o.LanguageModel != "" {
		paths["decoding.language_model"] = o.LanguageModel
		if o.Unigrams != "" {
			paths["decoding.unigrams"] = o.Unigrams
		}
	}
	return paths, nil
}

func (o Decoding) alphabet(dir string, columns int) (*beam.Decoder, error) {
	if beam.Present(dir) {
		return beam.Open(dir)
	}
	if with, err := NamesLanguageModel(dir); err != nil {
		return nil, err
	} else if with && o.LanguageModel == "" {
		return nil, fmt.Errorf("%s names a processor with a language model, and has no alphabet.json: copy it, and language_model, from the model's repository, or name one", dir)
	}
	tok, err := LoadCTCTokenizer(dir, columns)
	if err != nil {
		return nil, err
	}
	tokens := tok.tokens[:min(max(columns, tok.listed), len(tok.tokens))] // what was added later, a model may have no logits of
	a, err := beam.BuildAlphabet(tokens)
	if err != nil {
		return nil, fmt.Errorf("making an alphabet of %s: %w", vocabFile, err)
	}
	return beam.NewDecoder(a, nil), nil
}

// NamesLanguageModel says whether a checkpoint names a processor that decodes with beams and a language model.
func NamesLanguageModel(dir string) (bool, error) {
	p, err := config.ReadProcessor(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.HasSuffix(p.Class, "WithLM"), err
}

func (o Decoding) languageModel() (*beam.LanguageModel, error) {
	m, err := beam.OpenModel(o.LanguageModel)
	if err != nil {
		return nil, err
	}
	words := m.Listed()
	if o.Unigrams != "" {
		if words, err = readLines(o.Unigrams); err != nil {
			return nil, fmt.Errorf("reading the unigrams: %w", err)
		}
	}
	return beam.NewLanguageModel(m, words, beam.NewDefaultWeights()), nil
}

// readLines reads a file of words; blank lines are none.
func readLines(path string) (all []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for s := bufio.NewScanner(f); ; {
		if !s.Scan() {
			return all, s.Err()
		}
		if s.Text() != "" {
			all = append(all, s.Text())
		}
	}
}

func override[T any](field, v *T) {
	if v != nil {
		*field = *v
	}
}
