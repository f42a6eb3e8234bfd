package heads

import (
	"cmp"
	"fmt"
	"slices"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// Function turns logits into scores.
type Function string

// The functions, by the names of the reference's function_to_apply.
const (
	Softmax Function = "softmax"
	Sigmoid Function = "sigmoid"
	None    Function = "none"
)

// Apply gives the scores of logits, which must all be finite numbers.
func (f Function) Apply(logits []float32) ([]float64, error) {
	var scores []float64
	switch f {
	case Softmax:
		scores = softmax(logits)
	case Sigmoid:
		scores = sigmoid(logits)
	case None:
		scores = identity(logits)
	default:
		return nil, fmt.Errorf("function %q is not one of softmax, sigmoid, none", string(f))
	}
	if !finite(scores) {
		return nil, ErrNotFinite
	}
	return scores, nil
}

// UsualFunction is what the reference's text and image pipelines (transformers 4.55) apply when nothing is asked for: text honours regression; several
// labels at once, and a single one, take the sigmoid. Audio always takes the softmax.
func UsualFunction(problem string, labels int, modality schemas.Modality) Function {
	switch {
	case modality == schemas.Audio:
		return Softmax
	case modality == schemas.Text && problem == "regression":
		return None
	case problem == "multi_label_classification" || labels == 1:
		return Sigmoid
	}
	return Softmax
}

// ScoredLabel is one entry of the reference's classification pipelines, in its JSON form.
type ScoredLabel struct {
	Label string  `json:"label"` // of id2label
	Score float64 `json:"score"` // by the function: a probability of softmax or sigmoid, or the logit
}

// BestLabels scores labels by one row of logits, best first, the first of equals first. most limits how many; negative means all.
func BestLabels(logits []float32, labels []string, f Function, most int) ([]ScoredLabel, error) {
	if len(labels) != len(logits) {
		return nil, fmt.Errorf("the model gives %d logits for %d labels", len(logits), len(labels))
	}
	scores, err := f.Apply(logits)
	if err != nil {
		return nil, err
	}
	all := make([]ScoredLabel, len(scores))
	for i := range scores {
		all[i] = ScoredLabel{labels[i], scores[i]}
	}
	slices.SortStableFunc(all, func(a, b ScoredLabel) int { return cmp.Compare(b.Score, a.Score) })
	if most >= 0 {
		all = all[:min(most, len(all))]
	}
	return all, nil
}

const defaultTopK = 5 // of the reference's image and audio pipelines

// classification scores the labels of a model from logits [B, labels].
type classification struct {
	head
	labels   []string
	function Function
	topK     int
}

func newClassification(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	if err := h.labelled(spec, graph, 1); err != nil {
		return nil, err
	}
	c := &classification{head: h, labels: spec.Labels, topK: cfg.TopK, function: cfg.Transform}
	if cfg.TopK < 0 {
		return nil, fmt.Errorf("top_k: %d is negative", cfg.TopK)
	}
	if c.topK == 0 {
		c.topK = defaultTopK
	}
	if c.function == "" {
		problem := ""
		switch spec.Modality {
		case schemas.Text:
			problem = spec.Text.ProblemType
		case schemas.Image:
			problem = spec.Vision.ProblemType
		case schemas.Audio:
		default:
			return nil, fmt.Errorf("what the reference scores labels of modality %q by is not known: set function", spec.Modality)
		}
		c.function = UsualFunction(problem, len(spec.Labels), spec.Modality)
	}
	_, err := c.function.Apply(nil)
	return c, err
}

// Keeps counts the labels, in a slice that has grown to them; their names are shared.
func (c *classification) Keeps() (row, step int64) {
	return 2 * 24 * int64(min(c.topK, len(c.labels))), 0
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

// Apply gives each sample its Labels, best first, and the best as Label and Score.
func (c *classification) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := c.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	width := int(t.Shape[1])
	payloads := make([]schemas.Payload, len(batch))
	for i := range batch {
		best, err := BestLabels(t.F32[i*width:(i+1)*width], c.labels, c.function, c.topK)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		p := &payloads[i]
		for _, l := range best {
			p.Labels = append(p.Labels, schemas.LabelScore{Label: l.Label, Score: float32(l.Score)})
		}
		p.Label, p.Score = p.Labels[0].Label, p.Labels[0].Score
	}
	return payloads, nil
}
