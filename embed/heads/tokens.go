package heads

import (
	"errors"
	"fmt"
	"slices"

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
	return embed.ApplyJoined(h, out, batch)
}

// Keeps counts an entity for each token: in a part, in what is joined, and as it becomes one of the row's, with a text of 16 bytes; without aggregation its place among those seen besides.
func (h *tokens) Keeps() (row, step int64) {
	if h.tagger.Strategy == StrategyNone {
		return 0, 64 + 64 + 56 + 16 + 64
	}
	return 0, 64 + 64 + 56 + 16
}

// Parts finds the entities of each window.
func (h *tokens) Parts(out *embed.Output, batch []embed.Sample) ([]any, error) {
	t, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	if width != len(h.tagger.Labels) {
		return nil, fmt.Errorf("output %s has %d logits for %d labels", h.output, width, len(h.tagger.Labels))
	}
	parts := make([]any, len(batch))
	for i := range batch {
		n, err := h.steps(&batch[i], padded)
		if err == nil {
			parts[i], err = h.entities(t.F32[i*padded*width:(i*padded+n)*width], batch[i].Tag)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return parts, nil
}

// Join lists the entities of all windows. Where windows share tokens, of entities that overlap the longest counts, and the better of equals, as in the
// reference; without aggregation each token counts once.
func (h *tokens) Join(parts []any) (schemas.Payload, error) {
	n := 0
	for _, p := range parts {
		n += len(p.([]TaggedEntity))
	}
	all := make([]TaggedEntity, 0, n)
	var seen map[[2]int]bool
	if h.tagger.Strategy == StrategyNone && len(parts) > 1 {
		seen = make(map[[2]int]bool, n)
	}
	for _, p := range parts {
		before := len(all)
		for _, e := range p.([]TaggedEntity) {
			if !seen[[2]int{e.Start, e.End}] {
				all = append(all, e)
			}
		}
		if seen != nil {
			for _, e := range all[before:] {
				seen[[2]int{e.Start, e.End}] = true
			}
		}
	}
	if len(parts) > 1 && h.tagger.Strategy != StrategyNone {
		all = settle(all)
	}
	payload := schemas.Payload{Entities: slices.Grow([]schemas.Entity(nil), len(all))}
	for _, e := range all {
		payload.Entities = append(payload.Entities, schemas.Entity{Label: e.Group, Text: e.Word, Start: e.Start, End: e.End, Score: float32(e.Score)})
	}
	return payload, nil
}

// entities are those of a window, with the text of their offsets.
func (h *tokens) entities(logits []float32, tag any) ([]TaggedEntity, error) {
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
	var all []TaggedEntity
	add := func(label string, score float64, start, end int) {
		all = append(all, TaggedEntity{Group: label, Word: string(text[start:end]), Start: first + start, End: first + end, Score: score})
	}
	if h.tagger.Strategy == StrategyNone {
		found := h.tagger.Single([]Tagged{window})
		all = slices.Grow(all, len(found))
		for _, e := range found {
			add(e.Entity, e.Score, e.Start, e.End)
		}
		return all, nil
	}
	found := h.tagger.Grouped([]Tagged{window})
	all = slices.Grow(all, len(found))
	for _, e := range found {
		add(e.Group, e.Score, e.Start, e.End)
	}
	return all, nil
}
