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
	most       int // tokens that the model takes
	maxLength  int // model_max_length: the tokenizer's; 0: no limit
	truncation any // true, or one of the reference's words for it: cut longer text at maxLength, instead of refusing it
	length     int // max_length: what truncation cuts at in place of maxLength; 0: that
}

func newTexts(spec *model.Spec) (*texts, error) {
	tok, err := text.Load(spec.Dir)
	if err != nil {
		return nil, err
	}
	return &texts{tok: tok, most: spec.Text.MaxTokens(), maxLength: tok.MaxLength()}, nil
}

// places are the options that every text task has.
func (t *texts) places() map[string]any {
	return map[string]any{"model_max_length": &t.maxLength, "truncation": &t.truncation, "max_length": &t.length}
}

// encoded is one sequence for the model. Offsets and words belong to the text that a token is of.
type encoded struct {
	ids      []int32
	offsets  [][2]int32
	words    []int32 // -1 for special tokens around the texts
	sequence []int8  // 0, 1: of the first or the second text; -1 around them
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
	return []embed.Tensor{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: mask}}
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
	before, after := t.tok.Around()
	return t.cut(e, limit-len(before)-len(after), limit > 0, stride, func(from, to int) (out encoded) {
		out.special(before)
		out.add(e, 0, from, to)
		out.special(after)
		return out
	})
}

// pair encodes two texts: <s> A </s></s> B </s>. Of long ones the second is cut into windows, or, if stride is negative, the longer is cut.
func (t *texts) pair(a, b string, limit, stride int) ([]encoded, error) {
	ea, err := t.tokens(a)
	if err != nil {
		return nil, err
	}
	eb, err := t.tokens(b)
	if err != nil {
		return nil, err
	}
	before, after := t.tok.Around()
	both := limit - len(before) - 3*len(after)
	first, second := len(ea.IDs), len(eb.IDs)
	if limit > 0 && stride < 0 {
		if both < 0 {
			return nil, faultf("%d tokens are too few for two texts", limit)
		}
		first, second = longestFirst(first, second, both)
		eb = &text.Encoding{IDs: eb.IDs[:second], Offsets: eb.Offsets[:second], Words: eb.Words[:second]}
	}
	return t.cut(eb, both-first, limit > 0, stride, func(from, to int) (out encoded) {
		out.special(before)
		out.add(ea, 0, 0, first)
		out.special(after)
		out.special(after)
		out.add(eb, 1, from, to)
		out.special(after)
		return out
	})
}

// longestFirst is how many tokens of two texts stay of room, the longer giving way first: the reference's truncation=True.
func longestFirst(a, b, room int) (int, int) {
	if a+b <= room {
		return a, b
	}
	if a > b {
		b, a = longestFirst(b, a, room)
		return a, b
	}
	if 2*a > room {
		return room / 2, room - room/2
	}
	return a, room - a
}

// cut makes the windows of a text of which room tokens fit.
func (t *texts) cut(e *text.Encoding, room int, limited bool, stride int, wrap func(from, to int) encoded) ([]encoded, error) {
	n := len(e.IDs)
	if !limited || n <= room {
		return t.fitting(wrap(0, n))
	}
	if room < 1 || stride >= room {
		return nil, faultf("%d tokens of the text fit, too few for a stride of %d", max(room, 0), max(stride, 0))
	}
	if stride < 0 {
		return t.fitting(wrap(0, room))
	}
	var all []encoded
	for from := 0; ; from += room - stride {
		to := min(from+room, n)
		part, err := t.fitting(wrap(from, to))
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
		if to == n {
			return all, nil
		}
	}
}

// fitting refuses what the model has no positions for.
func (t *texts) fitting(e encoded) ([]encoded, error) {
	if len(e.ids) > t.most {
		return nil, faultf("the text has %d tokens, special ones included, the model takes %d", len(e.ids), t.most)
	}
	return []encoded{e}, nil
}

// limit is where text is cut: nowhere unless truncation is asked for.
func (t *texts) limit() int {
	switch t.truncation {
	case nil, false, "do_not_truncate":
		return 0
	}
	if t.length > 0 {
		return t.length
	}
	return t.maxLength
}

// single prepares a text, or a pair, as one run.
func (t *texts) single(in *Input) (*prepared, error) {
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	var all []encoded
	if in.TextPair != nil {
		all, err = t.pair(s, *in.TextPair, t.limit(), -1)
	} else {
		all, err = t.one(s, t.limit(), -1)
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

// decode is the tokenizer's text of ids without padding.
func (t *texts) decode(ids []int32, skipSpecial bool) string {
	kept := make([]int32, 0, len(ids))
	for _, id := range ids {
		if id != t.tok.Pad() {
			kept = append(kept, id)
		}
	}
	return t.tok.Decode(kept, skipSpecial)
}

// missing says which fields an input lacks.
func missing(names ...string) error {
	return faultf("the input has no %s", strings.Join(names, " and "))
}
