package heads

import (
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// Raw is a head of no task: it gives each sample, as Vector, its own numbers of all outputs that there are, one output behind the other, as they are. What a batch changes of them shows in no head
// that decides, so runs are compared by it; rows of it go nowhere.
type Raw struct{ steps steps }

// NewRaw makes the head for a checkpoint.
func NewRaw(spec *model.Spec) *Raw { return &Raw{stepsOf(spec)} }

// Name is the head's name in the rows.
func (*Raw) Name() string { return "raw" }

// Task is none of those of rows.
func (*Raw) Task() schemas.Task { return "raw" }

// Apply copies the numbers.
func (r *Raw) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	payloads := make([]schemas.Payload, len(batch))
	for k := range out.Tensors {
		t := &out.Tensors[k]
		if len(t.Shape) == 0 || t.Shape[0] != int64(len(batch)) {
			return nil, fmt.Errorf("output %s has shape %v, want %d rows", t.Name, t.Shape, len(batch))
		}
		each := len(t.F32) / len(batch)
		for i := range batch {
			own, err := r.own(t, t.F32[i*each:(i+1)*each], &batch[i])
			if err != nil {
				return nil, fmt.Errorf("item %d: output %s: %w", i, t.Name, err)
			}
			payloads[i].Vector = append(payloads[i].Vector, own...)
		}
	}
	return payloads, nil
}

// own is the part of a row of t that is a sample's own: its steps of [B, T, N] and, where an answer begins and ends, [B, T]; its choices of [B, choices].
func (r *Raw) own(t *embed.Tensor, row []float32, s *embed.Sample) ([]float32, error) {
	if ids := input(s, "input_ids"); ids != nil && len(ids.Shape) == 2 && len(t.Shape) == 2 {
		if ids.Shape[0] > len(row) {
			return nil, fmt.Errorf("%d numbers for %d choices", len(row), ids.Shape[0])
		}
		return row[:ids.Shape[0]], nil
	}
	if len(t.Shape) != 3 && t.Name != startOutput && t.Name != endOutput {
		return row, nil
	}
	padded := int(t.Shape[1])
	n, err := r.steps(s, padded)
	if err != nil {
		return nil, err
	}
	return row[:len(row)/padded*n], nil
}
