package heads

import (
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// choice says which of a text's alternatives goes on from it, from logits [B, choices].
type choice struct{ head }

func newChoice(h head, _ Config, _ *model.Spec, _ *model.Graph) (embed.Head, error) {
	return &choice{h}, nil
}

// Apply gives each sample the Probabilities of its alternatives and the best as Choice and Score. How many a sample has its input_ids
// [choices, L] say; there may be padding behind them.
func (h *choice) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := h.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	width := int(t.Shape[1])
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		ids := input(&batch[i], "input_ids")
		if ids == nil || len(ids.Shape) != 2 || ids.Shape[0] < 1 || ids.Shape[0] > width {
			return nil, fmt.Errorf("item %d: the sample's input_ids do not say which of %d choices it has", i, width)
		}
		scores := softmax(t.F32[i*width : i*width+ids.Shape[0]])
		if !finite(scores) {
			return nil, fmt.Errorf("item %d: %w", i, ErrNotFinite)
		}
		p := &payloads[i]
		p.Choice = argmax(scores)
		p.Probabilities = make([]float32, len(scores))
		for k, v := range scores {
			p.Probabilities[k] = float32(v)
		}
		p.Score = p.Probabilities[p.Choice]
	}
	return payloads, nil
}
