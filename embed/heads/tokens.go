package heads

import (
	"errors"
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// tokens makes entities of logits [B, T, labels], as the reference's pipeline does within one window.
type tokens struct {
	head
	steps  steps
	tagger Tagger
}

func newTokens(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if err := h.labelled(spec, graph, 2); err != nil {
		return nil, err
	}
	t := &tokens{head: h, steps: stepsOf(spec), tagger: Tagger{
		Labels: spec.Labels, Ignore: []string{"O"}, Strategy: cfg.Aggregation,
		Join: func([]string) string { return "" }, // rows have the text that the offsets enclose, not the tokens'
	}}
	switch t.tagger.Strategy {
	case "":
		t.tagger.Strategy = StrategySimple
	case StrategyNone, StrategySimple, StrategyFirst, StrategyAverage, StrategyMax:
	default:
		return nil, fmt.Errorf("aggregation %q is not one of none, simple, first, average, max", cfg.Aggregation)
	}
	return t, nil
}

// Apply gives each sample its Entities; offsets count from the beginning of the object's text, in every window. Without aggregation each
// token with a label other than O is one. Samples need a Tag that is an [embed.Pieces].
func (h *tokens) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	if width != len(h.tagger.Labels) {
		return nil, fmt.Errorf("output %s has %d logits for %d labels", h.output, width, len(h.tagger.Labels))
	}
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		n, err := h.steps(&batch[i], padded)
		if err == nil {
			payloads[i].Entities, err = h.entities(t.F32[i*padded*width:(i*padded+n)*width], batch[i].Tag)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

func (h *tokens) entities(logits []float32, tag any) ([]schemas.Entity, error) {
	from, ok := tag.(embed.Pieces)
	if !ok {
		return nil, errors.New("the sample's tag does not say where its tokens are from")
	}
	excerpt, first := from.Excerpt()
	text, width := []rune(excerpt), len(h.tagger.Labels)
	var own []ScoredToken
	for k := range len(logits) / width {
		p := from.Piece(k)
		if !p.Own {
			continue
		}
		if p.Start < first || p.End < p.Start || p.End > first+len(text) {
			return nil, fmt.Errorf("token %d is from [%d, %d) of the text, the sample from [%d, %d)", k, p.Start, p.End, first, first+len(text))
		}
		own = append(own, ScoredToken{
			Index: k, Logits: logits[k*width : (k+1)*width], Start: p.Start - first, End: p.End - first, Unknown: p.Unknown,
		})
	}
	window, err := h.tagger.Tag(text, own)
	if err != nil {
		return nil, err
	}
	var all []schemas.Entity
	add := func(label string, score float64, start, end int) {
		all = append(all, schemas.Entity{
			Label: label, Text: string(text[start:end]), Start: first + start, End: first + end, Score: float32(score),
		})
	}
	if h.tagger.Strategy == StrategyNone {
		for _, e := range h.tagger.Single([]Tagged{window}) {
			add(e.Entity, e.Score, e.Start, e.End)
		}
		return all, nil
	}
	for _, e := range h.tagger.Grouped([]Tagged{window}) {
		add(e.Group, e.Score, e.Start, e.End)
	}
	return all, nil
}
