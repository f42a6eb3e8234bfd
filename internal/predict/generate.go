package predict

import (
	"context"
	"math/rand/v2"
	"slices"

	"vecmill/embed"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// generation is text-generation. Each token is one run of the graph over all text so far.
type generation struct {
	texts     *texts
	sampler   tasks.Sampler
	maxNew    int
	end       int32 // the token that ends a text; negative: none
	cleanUp   bool
	fullText  bool
	special   bool // special tokens around the prompt
	positions bool // count positions from 0, as generate() does
}

func newGeneration(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	g := &generation{
		texts: e, maxNew: 256, end: int32(spec.Text.EOSTokenID), cleanUp: true, fullText: true, special: true,
		sampler: tasks.Sampler{Sample: true, Temperature: 0.7, TopK: 50, TopP: 1},
	}
	var seed uint64
	places := e.places()
	for name, place := range map[string]any{
		"max_new_tokens": &g.maxNew, "do_sample": &g.sampler.Sample, "temperature": &g.sampler.Temperature, "top_k": &g.sampler.TopK,
		"top_p": &g.sampler.TopP, "seed": &seed, "eos_token_id": &g.end, "return_full_text": &g.fullText,
		"clean_up_tokenization_spaces": &g.cleanUp, "add_special_tokens": &g.special, "hf_positions": &g.positions,
	} {
		places[name] = place
	}
	if err := o.read("text-generation", places); err != nil {
		return nil, err
	}
	if g.maxNew < 1 {
		return nil, faultf("option max_new_tokens: %d is not at least 1", g.maxNew)
	}
	g.sampler.Rand = rand.New(rand.NewPCG(seed, 0))
	return g, g.sampler.Validate()
}

// written is a text in the making.
type written struct {
	prompt string
	ids    []int32 // of the prompt, and then what is added
	given  int     // tokens of the prompt
}

func (g *generation) prepare(_ context.Context, in *Input) (*prepared, error) {
	if in.Text == nil && in.Prompt != nil {
		in.Text = in.Prompt
	}
	s, err := in.text()
	if err != nil {
		return nil, err
	}
	w := &written{prompt: s}
	if g.special {
		all, err := g.texts.one(s, g.texts.limit(), -1)
		if err != nil {
			return nil, err
		}
		w.ids = all[0].ids
	} else {
		e, err := g.texts.tokens(s)
		if err != nil {
			return nil, err
		}
		w.ids = e.IDs
	}
	if w.given = len(w.ids); w.given == 0 || w.given >= g.texts.most {
		return nil, faultf("the prompt has %d tokens: at least 1, and room for one more of the %d that the model takes, are needed", w.given, g.texts.most)
	}
	p := &prepared{runs: [][]embed.Tensor{g.run(w.ids)}, tag: w}
	p.more = func(out []embed.Tensor) ([]embed.Tensor, error) { return g.step(w, out) }
	return p, nil
}

// run makes the model's inputs of a text.
func (g *generation) run(ids []int32) []embed.Tensor {
	e := encoded{ids: ids}
	run := e.run()
	if g.positions {
		at := make([]int64, len(ids))
		for i := range at {
			at[i] = int64(i)
		}
		run = append(run, embed.Tensor{Name: "position_ids", Shape: run[0].Shape, I64: at})
	}
	return run
}

// step adds a token, and gives the next run unless the text has ended.
func (g *generation) step(w *written, out []embed.Tensor) ([]embed.Tensor, error) {
	logits, err := output(out, "logits")
	if err != nil {
		return nil, err
	}
	id, err := g.sampler.Next(logits.F32[len(logits.F32)-width(logits):])
	if err != nil {
		return nil, err
	}
	w.ids = append(slices.Clip(w.ids), id)
	if id == g.end || len(w.ids)-w.given >= g.maxNew || len(w.ids) >= g.texts.most {
		return nil, nil
	}
	return g.run(w.ids), nil
}

func (g *generation) finish(p *prepared, _ [][]embed.Tensor) (result, error) {
	w := p.tag.(*written)
	text := tasks.Continuation(g.decode(w.ids[:w.given]), g.decode(w.ids))
	if g.fullText {
		text = w.prompt + text
	}
	return []tasks.Generated{{Text: text}}, nil
}

func (g *generation) decode(ids []int32) string {
	s := g.texts.tok.Decode(ids, true)
	if g.cleanUp {
		s = tasks.CleanUp(s)
	}
	return s
}
