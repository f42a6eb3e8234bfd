package heads

import (
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// xvector takes the speaker vectors of embeddings [B, D], which the model has pooled itself.
type xvector struct {
	head
	form  form
	bytes int64 // of a vector
}

// Keeps counts the vector.
func (x *xvector) Keeps() (row, step int64) { return x.bytes, 0 }

func newXVector(h head, cfg Config, _ *model.Spec, graph *model.Graph) (embed.Head, error) {
	f, err := formOf(cfg)
	return &xvector{head: h, form: f, bytes: f.bytes(&h, graph, 1)}, err
}

// Apply gives each sample its Vector, or Half. A recording so short that its statistics are of a single frame has none: the model's deviation over
// one frame is not a number, and that is an error as everywhere.
func (x *xvector) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := x.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	width := int(t.Shape[1])
	payloads := make([]schemas.Payload, len(batch))
	sum := make([]float64, width)
	for i := range batch {
		firstStep(sum, t.F32[i*width:(i+1)*width])
		if payloads[i], err = x.form.payload(sum); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}
