package heads

import (
	"cmp"
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// The transforms of logits into scores.
const (
	Softmax = "softmax"
	Sigmoid = "sigmoid"
	None    = "none"
)

const defaultTopK = 5 // of the reference's image and audio pipelines

// classification scores the labels of a model from logits [B, labels].
type classification struct {
	head
	labels []string
	scores func([]float32) []float64
	topK   int
}

func newClassification(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if err := h.labelled(spec, graph, 1); err != nil {
		return nil, err
	}
	c := &classification{head: h, labels: spec.Labels, topK: cfg.TopK}
	if cfg.TopK < 0 {
		return nil, fmt.Errorf("top_k: %d is negative", cfg.TopK)
	}
	if c.topK == 0 {
		c.topK = defaultTopK
	}
	c.topK = min(c.topK, len(c.labels))
	transform := cfg.Transform
	if transform == "" {
		transform = usualTransform(spec)
	}
	switch transform {
	case Softmax:
		c.scores = softmax
	case Sigmoid:
		c.scores = sigmoid
	case None:
		c.scores = identity
	default:
		return nil, fmt.Errorf("transform %q is not one of softmax, sigmoid, none", transform)
	}
	return c, nil
}

// labelled checks that the checkpoint names its labels, one for each logit on an axis of the output.
func (h *head) labelled(spec *model.Spec, graph *model.Graph, axis int) error {
	if len(spec.Labels) == 0 {
		return fmt.Errorf("the checkpoint names no labels (id2label in config.json)")
	}
	if port, _ := graph.Output(h.output); len(port.Shape) == h.rank && port.Shape[axis] >= 0 && port.Shape[axis] != int64(len(spec.Labels)) {
		return fmt.Errorf("the checkpoint names %d labels, the graph gives %d logits", len(spec.Labels), port.Shape[axis])
	}
	return nil
}

// usualTransform is the choice of the reference's pipelines (transformers 4.55): text honours regression; text and pictures take
// the sigmoid for several labels at once and for a single one; audio always takes softmax.
func usualTransform(spec *model.Spec) string {
	problem := ""
	switch {
	case spec.Text != nil:
		problem = spec.Text.ProblemType
	case spec.Vision != nil:
		problem = spec.Vision.ProblemType
	}
	switch {
	case spec.Modality == schemas.Audio:
		return Softmax
	case spec.Modality == schemas.Text && problem == "regression":
		return None
	case problem == "multi_label_classification" || len(spec.Labels) == 1:
		return Sigmoid
	}
	return Softmax
}

// Apply gives each sample its Labels, best first, and the best as Label and Score.
func (c *classification) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	width := int(t.Shape[1])
	if width != len(c.labels) {
		return nil, fmt.Errorf("output %s has %d logits for %d labels", c.output, width, len(c.labels))
	}
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		scores := c.scores(t.F32[i*width : (i+1)*width])
		if !finite(scores) {
			return nil, fmt.Errorf("item %d: %w", i, errNotFinite)
		}
		payloads[i] = c.payload(scores)
	}
	return payloads, nil
}

func (c *classification) payload(scores []float64) schemas.Payload {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var p schemas.Payload
	for _, id := range order[:c.topK] {
		p.Labels = append(p.Labels, schemas.LabelScore{Label: c.labels[id], Score: float32(scores[id])})
	}
	p.Label, p.Score = p.Labels[0].Label, p.Labels[0].Score
	return p
}
