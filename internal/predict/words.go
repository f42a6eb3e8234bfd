package predict

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"vecmill/embed"
	"vecmill/embed/text"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// tokens is token-classification.
type tokens struct {
	texts   *texts
	tagger  tasks.Tagger
	stride  int // negative: cut at model_max_length
	unknown int32
	split   bool   // inputs are words
	between string // what joins them to a text
}

func newTokens(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	t := &tokens{texts: e, stride: -1, unknown: -1, between: " "}
	t.tagger = tasks.Tagger{Labels: spec.Labels, Ignore: []string{"O"}, Strategy: tasks.StrategyNone, Join: e.tok.Join}
	if id, ok := e.tok.Role("unk_token"); ok {
		t.unknown = id
	}
	var grouped, subwords *bool // deprecated there; they overrule aggregation_strategy
	places := map[string]any{
		"aggregation_strategy": &t.tagger.Strategy, "ignore_labels": &t.tagger.Ignore, "stride": &t.stride, "model_max_length": &e.maxLength,
		"grouped_entities": &grouped, "ignore_subwords": &subwords, "is_split_into_words": &t.split, "delimiter": &t.between,
	}
	if err := errors.Join(o.read("token-classification", places), e.checkTruncation()); err != nil {
		return nil, err
	}
	t.tagger.Strategy = tasks.Strategy(strings.ToLower(string(t.tagger.Strategy)))
	if grouped != nil || subwords != nil {
		switch is := func(b *bool) bool { return b != nil && *b }; {
		case is(grouped) && is(subwords):
			t.tagger.Strategy = tasks.StrategyFirst
		case is(grouped):
			t.tagger.Strategy = tasks.StrategySimple
		default:
			t.tagger.Strategy = tasks.StrategyNone
		}
	}
	if t.stride >= 0 && t.tagger.Strategy == tasks.StrategyNone {
		return nil, faultf("option stride needs an aggregation_strategy other than none")
	}
	if plain, spaced := e.tok.Encode("a", text.Plain, 0), e.tok.Encode(" a", text.Plain, 0); t.split && !slices.Equal(plain.IDs, spaced.IDs) {
		return nil, faultf("option is_split_into_words needs a tokenizer with add_prefix_space, as in the reference")
	}
	return t, nil
}

// words encodes each word by itself, with its place in the text that they make.
func (t *tokens) words(words []string) (string, *text.Encoding, error) {
	all, at := &text.Encoding{}, int32(0)
	for i, w := range words {
		e, err := t.texts.tokens(w)
		if err != nil {
			return "", nil, err
		}
		for k, place := range e.Offsets {
			all.IDs, all.Offsets = append(all.IDs, e.IDs[k]), append(all.Offsets, [2]int32{place[0] + at, place[1] + at})
			all.Words = append(all.Words, int32(i))
		}
		at += int32(utf8.RuneCountInString(w) + utf8.RuneCountInString(t.between))
	}
	return strings.Join(words, t.between), all, nil
}

// tagged is what finish needs of prepare.
type tagged struct {
	text    []rune
	windows []encoded
}

func (t *tokens) prepare(_ context.Context, in *Input) (*prepared, error) {
	if t.split != (in.Words != nil) {
		return nil, faultf("inputs are texts, or, with the option is_split_into_words, words (a list in a line of JSON)")
	}
	var s string
	var e *text.Encoding
	var err error
	if t.split {
		s, e, err = t.words(in.Words)
	} else if s, err = in.text(); err == nil {
		e, err = t.texts.tokens(s)
	}
	if err != nil {
		return nil, err
	}
	all, err := t.texts.wrapped(e, t.texts.maxLength, t.stride)
	if err != nil {
		return nil, err
	}
	return &prepared{runs: runs(all), tag: tagged{[]rune(s), all}}, nil
}

func (t *tokens) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	in := p.tag.(tagged)
	windows := make([]tasks.Tagged, len(out))
	for i := range out {
		logits, err := output(out[i], "logits")
		if err != nil {
			return nil, err
		}
		w, e := width(logits), &in.windows[i]
		var scored []tasks.ScoredToken
		for k, id := range e.ids {
			if e.sequence[k] < 0 {
				continue
			}
			scored = append(scored, tasks.ScoredToken{
				Index: k, Word: t.texts.tok.Token(id), Logits: logits.F32[k*w : (k+1)*w],
				Start: int(e.offsets[k][0]), End: int(e.offsets[k][1]), Unknown: id == t.unknown,
			})
		}
		if windows[i], err = t.tagger.Tag(in.text, scored); err != nil {
			return nil, err
		}
	}
	if t.tagger.Strategy == tasks.StrategyNone {
		return t.tagger.Single(windows), nil
	}
	return t.tagger.Grouped(windows), nil
}

// fillMask is fill-mask.
type fillMask struct {
	texts   *texts
	mask    int32
	topK    int
	targets []int32
}

func newFillMask(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	if o, err = o.spread("tokenizer_kwargs"); err != nil {
		return nil, err
	}
	f := &fillMask{texts: e, topK: 5}
	var targets any
	places := e.places()
	places["top_k"], places["targets"] = &f.topK, &targets
	if err := errors.Join(o.read("fill-mask", places), e.checkTruncation()); err != nil {
		return nil, err
	}
	var ok bool
	if f.mask, ok = e.tok.Role("mask_token"); !ok {
		return nil, faultf("the tokenizer has no mask_token")
	}
	switch v := targets.(type) {
	case nil:
		return f, nil
	case string:
		return f, f.target(v)
	case []any:
		for _, one := range v {
			word, ok := one.(string)
			if !ok {
				return nil, faultf("option targets: %v is not a word", one)
			}
			if err := f.target(word); err != nil {
				return nil, err
			}
		}
	}
	if len(f.targets) == 0 {
		return nil, faultf("option targets: at least one word must be given")
	}
	return f, nil
}

// target adds a word: a token in the vocabulary's spelling, else the first token of the text, which is what the reference cuts it to.
func (f *fillMask) target(word string) error {
	id, ok := f.texts.tok.Find(word)
	if !ok {
		e, err := f.texts.tokens(word)
		if err != nil {
			return err
		}
		if len(e.IDs) == 0 {
			return nil // the reference ignores it
		}
		if id = e.IDs[0]; f.texts.tok.CutsLeft() {
			id = e.IDs[len(e.IDs)-1]
		}
	}
	if !slices.Contains(f.targets, id) {
		f.targets = append(f.targets, id)
	}
	return nil
}

func (f *fillMask) prepare(_ context.Context, in *Input) (*prepared, error) {
	p, err := f.texts.single(in)
	if err != nil {
		return nil, err
	}
	if e := p.tag.([]encoded)[0]; !slices.Contains(e.ids, f.mask) {
		return nil, faultf("the text has no mask token %s", f.texts.tok.Token(f.mask))
	}
	return p, nil
}

func (f *fillMask) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	logits, err := output(out[0], "logits")
	if err != nil {
		return nil, err
	}
	e, w := p.tag.([]encoded)[0], width(logits)
	var masks []int
	for i, id := range e.ids {
		if id == f.mask {
			masks = append(masks, i)
		}
	}
	var all [][]tasks.Filling
	for _, at := range masks {
		filled, err := tasks.Fill(logits.F32[at*w:(at+1)*w], e.ids, f.texts.tok.Pad(), at, f.topK, f.targets, len(masks) > 1, f.texts.tok.Decode)
		if err != nil {
			return nil, err
		}
		all = append(all, filled)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}
