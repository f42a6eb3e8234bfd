package predict

import (
	"context"
	"errors"
	"slices"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// perplexity is how surprised a language model is by a text. The class Data2VecTextForCausalLM foresees each token after the first; for
// Data2VecTextForMaskedLM it is the pseudo-perplexity: each token of the text is masked in turn.
type perplexity struct {
	spec        *model.Spec
	texts       *texts
	window      int // tokens of a run
	stride      int // tokens from one window to the next
	start, mask int32
	startOnly   bool // only the beginning goes around the text, as in evaluate's metric
	masked      bool
}

// masked runs hold at most this many logits.
const manyLogits = 64 << 20

func newPerplexity(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	x := &perplexity{spec: spec, texts: e, stride: unset, start: int32(spec.Text.BOSTokenID), masked: spec.Class == "Data2VecTextForMaskedLM"}
	places := e.places()
	places["stride"], places["add_start_token"] = &x.stride, &x.startOnly
	if err := errors.Join(o.read("perplexity", places), e.checkTruncation()); err != nil {
		return nil, err
	}
	x.window = e.most
	for _, limit := range []int{e.maxLength, e.length} {
		if limit > 0 {
			x.window = min(x.window, limit)
		}
	}
	if x.stride == unset {
		x.stride = max(x.window/2, 1)
	}
	switch {
	case x.window < 2:
		return nil, faultf("option max_length: a token is foreseen from those before it, so at least 2 are needed, not %d", x.window)
	case x.stride < 1 || x.stride > x.window:
		return nil, faultf("option stride: %d is not at least 1 and at most the window's %d tokens", x.stride, x.window)
	}
	if id, ok := e.tok.Role("mask_token"); ok {
		x.mask = id
	} else if x.masked {
		return nil, faultf("the tokenizer has no mask_token")
	}
	return x, nil
}

// scored is a stretch of tokens that a run holds, and which of them it scores.
type scored struct {
	ids    []int32
	places []int
}

// windows cut a text so that each token counts once, in the first window that has it: in the guide "Perplexity of fixed-length models" of the reference.
func (x *perplexity) windows(ids []int32, counts []bool) []scored {
	var all []scored
	for from, done := 0, 0; ; from += x.stride {
		to := min(from+x.window, len(ids))
		w := scored{ids: ids[from:to]}
		for i := max(from, done); i < to; i++ {
			if counts[i] && (x.masked || i > from) { // a window's first token is foreseen from nothing
				w.places = append(w.places, i-from)
			}
		}
		all = append(all, w)
		if done = to; to == len(ids) {
			return all
		}
	}
}

func (x *perplexity) prepare(_ context.Context, in *Input) (*prepared, error) {
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	tokens, err := x.texts.tokens(s)
	if err != nil {
		return nil, err
	}
	before, after := x.texts.around()
	if x.startOnly {
		before, after = []int32{x.start}, nil
	}
	ids := slices.Concat(before, tokens.IDs, after)
	if limit := x.texts.limit(); x.texts.truncation != nil && limit > 0 {
		ids = ids[:min(len(ids), limit)]
	}
	counts := make([]bool, len(ids))
	for i := range counts { // the first has nothing before it; beside a mask, what surrounds the text is not the text's
		counts[i] = i > 0
		if x.masked {
			counts[i] = i >= len(before) && i < len(before)+len(tokens.IDs)
		}
	}
	if !slices.Contains(counts, true) {
		return nil, faultf("the text has %d tokens, too few to foresee one", len(ids))
	}
	p := &prepared{tag: &[]float64{}}
	windows := x.windows(ids, counts)
	for _, w := range windows {
		e := encoded{ids: w.ids}
		p.runs = append(p.runs, e.run())
	}
	p.drive = func(ctx context.Context, run runFunc) error {
		for i, w := range windows {
			score := x.foreseen
			if x.masked {
				score = x.filled
			}
			nll, err := score(ctx, run, p.runs[i], w)
			if err != nil {
				return err
			}
			all := p.tag.(*[]float64)
			*all = append(*all, nll...)
		}
		return nil
	}
	return p, nil
}

// foreseen are the negative log likelihoods of a window's places by one run.
func (x *perplexity) foreseen(ctx context.Context, run runFunc, in []embed.Tensor, w scored) ([]float64, error) {
	out, err := run(ctx, in)
	if err != nil || len(w.places) == 0 {
		return nil, err
	}
	logits, err := output(out, "logits")
	if err != nil {
		return nil, err
	}
	v := width(logits)
	first := w.places[0]
	var targets []int64
	for _, at := range w.places {
		targets = append(targets, int64(w.ids[at]))
	}
	return heads.NLL(logits.F32[(first-1)*v:(first-1+len(targets))*v], targets, v)
}

// filled are those of the places masked one after the other, as many in a run as memory allows.
func (x *perplexity) filled(ctx context.Context, run runFunc, _ []embed.Tensor, w scored) ([]float64, error) {
	n := len(w.ids)
	rows := min(max(manyLogits/(n*x.spec.Text.VocabSize), 1), 32)
	var all []float64
	for places := range slices.Chunk(w.places, rows) {
		shape := []int64{int64(len(places)), int64(n)}
		ids := make([]int64, 0, len(places)*n)
		for _, at := range places {
			for i, id := range w.ids {
				if i == at {
					id = x.mask
				}
				ids = append(ids, int64(id))
			}
		}
		ones := slices.Repeat([]int64{1}, len(ids))
		out, err := run(ctx, []embed.Tensor{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: ones}})
		if err != nil {
			return nil, err
		}
		logits, err := output(out, "logits")
		if err != nil {
			return nil, err
		}
		v := width(logits)
		for i, at := range places {
			row := logits.F32[(i*n+at)*v : (i*n+at+1)*v]
			nll, err := heads.NLL(row, []int64{int64(w.ids[at])}, v)
			if err != nil {
				return nil, err
			}
			all = append(all, nll...)
		}
	}
	return all, nil
}

func (x *perplexity) finish(p *prepared, _ [][]embed.Tensor) (result, error) {
	l, err := heads.LikelihoodOf(*p.tag.(*[]float64))
	return tasks.Perplexity{Perplexity: l.Perplexity, MeanNLL: l.NLL, Tokens: l.Tokens}, err
}
