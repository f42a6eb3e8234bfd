package predict

import (
	"context"
	"slices"

	"vecmill/embed"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// tokens is token-classification.
type tokens struct {
	texts   *texts
	tagger  tasks.Tagger
	stride  int // negative: cut at model_max_length
	unknown int32
}

func newTokens(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	t := &tokens{texts: e, stride: -1, unknown: -1}
	t.tagger = tasks.Tagger{Labels: spec.Labels, Ignore: []string{"O"}, Strategy: tasks.StrategyNone, Join: e.tok.Join}
	if id, ok := e.tok.Role("unk_token"); ok {
		t.unknown = id
	}
	places := e.places()
	places["aggregation_strategy"], places["ignore_labels"], places["stride"] = &t.tagger.Strategy, &t.tagger.Ignore, &t.stride
	if err := o.read("token-classification", places); err != nil {
		return nil, err
	}
	if t.stride >= 0 && t.tagger.Strategy == tasks.StrategyNone {
		return nil, faultf("option stride needs an aggregation_strategy other than none")
	}
	return t, nil
}

// tagged is what finish needs of prepare.
type tagged struct {
	text    []rune
	windows []encoded
}

func (t *tokens) prepare(_ context.Context, in *Input) (*prepared, error) {
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	all, err := t.texts.one(s, t.texts.maxLength, t.stride)
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
	f := &fillMask{texts: e, topK: 5}
	var targets any
	places := e.places()
	places["top_k"], places["targets"] = &f.topK, &targets
	if err := o.read("fill-mask", places); err != nil {
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

// target adds a word: a token in the vocabulary's spelling, else the first token of the text.
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
		id = e.IDs[0]
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
		filled, err := tasks.Fill(logits.F32[at*w:(at+1)*w], e.ids, at, f.topK, f.targets, len(masks) > 1, f.texts.decode)
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
