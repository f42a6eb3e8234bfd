package heads

import (
	"fmt"
	"math"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// Pooling is how an item's steps become one vector.
type Pooling string

// The poolings. For pictures, mean and max are over the patches, without the class token at index 0.
const (
	Mean Pooling = "mean"
	Max  Pooling = "max"
	CLS  Pooling = "cls" // the class token: text and pictures
)

// embedding pools last_hidden_state [B, T, H] into a vector of H numbers per item.
type embedding struct {
	head
	steps steps
	pool  func(dst []float64, states []float32)
	first int // steps to leave out at the beginning
	unit  bool
}

func newEmbedding(h head, cfg Config, spec *model.Spec, _ *model.Graph) (embed.Head, error) {
	e := &embedding{head: h, steps: stepsOf(spec), unit: !cfg.Raw}
	switch cfg.Pooling {
	case Mean, "":
		e.pool = mean
	case Max:
		e.pool = maximum
	case CLS:
		if spec.Modality == schemas.Audio {
			return nil, fmt.Errorf("pooling cls: audio models have no class token; use mean or max")
		}
		e.pool = firstStep
	default:
		return nil, fmt.Errorf("pooling %q is not one of mean, max, cls", cfg.Pooling)
	}
	if spec.Modality == schemas.Image && cfg.Pooling != CLS {
		e.first = 1
	}
	return e, nil
}

// Apply gives each sample its Vector.
func (e *embedding) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := e.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	payloads := make([]schemas.Payload, len(batch))
	sum := make([]float64, width)
	for i := range batch {
		n, err := e.steps(&batch[i], padded)
		if err == nil && n <= e.first {
			err = fmt.Errorf("%d steps leave nothing to pool", n)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		row := t.F32[i*padded*width : (i*padded+n)*width]
		e.pool(sum, row[e.first*width:])
		if payloads[i].Vector, err = vector(sum, e.unit); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

// mean sums in float64 and divides by the number of steps.
func mean(dst []float64, states []float32) {
	clear(dst)
	for at := 0; at < len(states); at += len(dst) {
		for d, v := range states[at : at+len(dst)] {
			dst[d] += float64(v)
		}
	}
	n := float64(len(states) / len(dst))
	for d := range dst {
		dst[d] /= n
	}
}

func maximum(dst []float64, states []float32) {
	firstStep(dst, states)
	for at := len(dst); at < len(states); at += len(dst) {
		for d, v := range states[at : at+len(dst)] {
			dst[d] = max(dst[d], float64(v)) // NaN stays NaN
		}
	}
}

func firstStep(dst []float64, states []float32) {
	for d := range dst {
		dst[d] = float64(states[d])
	}
}

// vector rounds to float32, scaled to length 1 if unit. The zero vector has no direction and stays as it is.
func vector(v []float64, unit bool) ([]float32, error) {
	square := 0.0
	for _, x := range v {
		square += x * x
	}
	if math.IsNaN(square) || math.IsInf(square, 0) {
		return nil, errNotFinite
	}
	scale := 1.0
	if unit && square > 0 {
		scale = 1 / math.Sqrt(square)
	}
	out := make([]float32, len(v))
	for d, x := range v {
		out[d] = float32(x * scale)
	}
	return out, nil
}
