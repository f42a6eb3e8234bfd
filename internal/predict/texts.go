package predict

import (
	"strings"
	"unicode/utf8"

	"vecmill/embed"
	"vecmill/embed/text"
	"vecmill/model"
)

// texts tokenizes for a model.
type texts struct {
	tok        *text.Tokenizer
	most       int  // tokens that the model takes
	maxLength  int  // model_max_length: the tokenizer's; 0: no limit
	truncation any  // true, or one of the reference's words for it: cut longer text at maxLength, instead of refusing it
	length     int  // max_length: what truncation cuts at in place of maxLength; 0: that
	padding    any  // adds nothing to a text alone, but says whether max_length truncates
	special    bool // special tokens around the texts
	typed      bool // the model is given the types of the tokens
}

func newTexts(spec *model.Spec) (*texts, error) {
	tok, err := text.Load(spec.Dir)
	if err != nil {
		return nil, err
	}
	return &texts{tok: tok, most: spec.Text.MaxTokens(), maxLength: tok.MaxLength(), special: true, typed: tok.Typed(spec, true)}, nil
}

// places are the options that every text task has.
func (t *texts) places() map[string]any {
	return map[string]any{
		"model_max_length": &t.maxLength, "truncation": &t.truncation, "max_length": &t.length, "padding": &t.padding, "add_special_tokens": &t.special,
	}
}

// around gives the special tokens that go before and behind a text.
func (t *texts) around() (before, after []int32) {
	if !t.special {
		return nil, nil
	}
	return t.tok.Around()
}

// aroundPair gives the special tokens that go before, between and behind two texts.
func (t *texts) aroundPair() (before, between, after []int32) {
	if !t.special {
		return nil, nil, nil
	}
	return t.tok.AroundPair()
}

// types are those of a sequence of texts of so many tokens, nil if the model is not given them.
func (t *texts) types(lengths ...int) []int64 {
	if !t.typed {
		return nil
	}
	return t.tok.Types(t.special, lengths...)
}

// encoded is one sequence for the model. Offsets and words belong to the text that a token is of.
type encoded struct {
	ids      []int32
	offsets  [][2]int32
	words    []int32 // -1 for special tokens around the texts
	sequence []int8  // 0, 1: of the first or the second text; -1 around them
	types    []int64 // of the tokens; nil if the model is not given them
}

func (e *encoded) special(ids []int32) {
	for _, id := range ids {
		e.ids, e.offsets, e.words, e.sequence = append(e.ids, id), append(e.offsets, [2]int32{}), append(e.words, -1), append(e.sequence, -1)
	}
}

func (e *encoded) add(t *text.Encoding, sequence int8, from, to int) {
	e.ids, e.offsets, e.words = append(e.ids, t.IDs[from:to]...), append(e.offsets, t.Offsets[from:to]...), append(e.words, t.Words[from:to]...)
	for range to - from {
		e.sequence = append(e.sequence, sequence)
	}
}

// run is the sequence as the model's inputs.
func (e *encoded) run() []embed.Tensor {
	shape := []int64{1, int64(len(e.ids))}
	ids, mask := make([]int64, len(e.ids)), make([]int64, len(e.ids))
	for i, id := range e.ids {
		ids[i], mask[i] = int64(id), 1
	}
	all := []embed.Tensor{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: mask}}
	if e.types != nil {
		all = append(all, embed.Tensor{Name: "token_type_ids", Shape: shape, I64: e.types})
	}
	return all
}

// tokens encodes a text, which must be UTF-8.
func (t *texts) tokens(s string) (*text.Encoding, error) {
	if !utf8.ValidString(s) {
		return nil, faultf("the text is not UTF-8")
	}
	return t.tok.Encode(s, text.Parse, 0), nil
}

// one encodes a text. limit is the longest window, special tokens included, 0 for none; longer text is cut at it, or into windows that share
// stride tokens if stride is not negative.
func (t *texts) one(s string, limit, stride int) ([]encoded, error) {
	e, err := t.tokens(s)
	if err != nil {
		return nil, err
	}
	return t.wrapped(e, limit, stride)
}

// wrapped is one for a text that has been encoded.
func (t *texts) wrapped(e *text.Encoding, limit, stride int) ([]encoded, error) {
	before, after := t.around()
	return t.cut(e, limit-len(before)-len(after), limit > 0, stride, func(from, to int) (out encoded) {
		out.special(before)
		out.add(e, 0, from, to)
		out.special(after)
		out.types = t.types(to - from)
		return out
	})
}

// pair encodes two texts, as a rule as <s> A </s></s> B </s>. Of long ones the second is cut into windows, or, if stride is negative, the longer is cut.
func (t *texts) pair(a, b string, limit, stride int) ([]encoded, error) {
	ea, err := t.tokens(a)
	if err != nil {
		return nil, err
	}
	eb, err := t.tokens(b)
	if err != nil {
		return nil, err
	}
	before, between, after := t.aroundPair()
	both := limit - len(before) - len(between) - len(after)
	if limit > 0 && stride < 0 {
		first, second, err := t.shares(len(ea.IDs), len(eb.IDs), both)
		if err != nil {
			return nil, err
		}
		ea, eb = t.shortened(ea, first), t.shortened(eb, second)
	}
	first := len(ea.IDs)
	return t.cut(eb, both-first, limit > 0, stride, func(from, to int) (out encoded) {
		out.special(before)
		out.add(ea, 0, 0, first)
		out.special(between)
		out.add(eb, 1, from, to)
		out.special(after)
		out.types = t.types(first, to-from)
		return out
	})
}

// fitting refuses what the model has no positions for.
func (t *texts) fitting(e encoded) ([]encoded, error) {
	if len(e.ids) > t.most {
		return nil, faultf("the text has %d tokens, special ones included, the model takes %d", len(e.ids), t.most)
	}
	return []encoded{e}, nil
}

// single prepares a text, or a pair, as one run.
func (t *texts) single(in *Input) (*prepared, error) {
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	var all []encoded
	switch limit := t.limit(); {
	case in.TextPair != nil && *in.TextPair != "": // an empty one is none, as in the reference
		all, err = t.pair(s, *in.TextPair, limit, -1)
	case t.truncation == string(text.OnlySecond):
		if all, err = t.one(s, 0, -1); err == nil && limit > 0 && len(all[0].ids) > limit {
			err = faultf("option truncation: only_second, and there is no second text")
		}
	default:
		all, err = t.one(s, limit, -1)
	}
	if err != nil {
		return nil, err
	}
	return &prepared{runs: runs(all), tag: all}, nil
}

func runs(all []encoded) [][]embed.Tensor {
	var out [][]embed.Tensor
	for i := range all {
		out = append(out, all[i].run())
	}
	return out
}

// missing says which fields an input lacks.
func missing(names ...string) error {
	return faultf("the input has no %s", strings.Join(names, " and "))
}
