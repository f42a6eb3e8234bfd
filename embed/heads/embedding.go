package heads

import (
	"fmt"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// firstLayer is the output of the states behind the first layer; hidden_states.0 are those before it.
const firstLayer = "hidden_states.1"

// embedding pools last_hidden_state [B, T, H] into a vector of H numbers per item.
type embedding struct {
	head
	steps steps
	early steps // of firstLayer; nil: not needed
	pool  Pooling
	skip  int // steps to leave out at the beginning
	form  form
	bytes int64 // of a vector
}

// Keeps counts the vector.
func (e *embedding) Keeps() (row, step int64) { return e.bytes, 0 }

func newEmbedding(h head, cfg Config, spec *model.Spec, graph *model.Graph) (embed.Head, error) {
	f, err := formOf(cfg)
	if err != nil {
		return nil, err
	}
	e := &embedding{head: h, steps: stepsOf(spec), pool: cfg.Pooling, form: f}
	e.bytes = f.bytes(&e.head, graph, 2)
	switch cfg.Pooling {
	case Mean, Max, CLS, "":
	case FirstLast:
		if _, has := graph.Output(firstLayer); !has {
			return nil, fmt.Errorf("pooling first_last needs the output %s, which this graph does not give", firstLayer)
		}
		e.early = layerSteps(spec)
	default:
		return nil, fmt.Errorf("pooling %q is not one of mean, max, cls, first_last", cfg.Pooling)
	}
	switch spec.Modality {
	case schemas.Audio:
		if cfg.Pooling == CLS {
			return nil, fmt.Errorf("pooling cls: audio models have no class token; use mean, max or first_last")
		}
	case schemas.Image:
		if cfg.Pooling != CLS {
			e.skip = 1
		}
	case schemas.Text:
	default:
		return nil, fmt.Errorf("whether models of modality %q have a class token is not known", spec.Modality)
	}
	return e, nil
}

// Apply gives each sample its Vector, or Half.
func (e *embedding) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	t, err := e.tensor(out, batch)
	if err != nil {
		return nil, err
	}
	var early *embed.Tensor
	if e.early != nil {
		first := e.head
		first.output = firstLayer
		if early, err = first.tensor(out, batch); err != nil {
			return nil, err
		}
		if early.Shape[2] != t.Shape[2] {
			return nil, fmt.Errorf("the first layer is %d wide, the last states are %d: pooling first_last needs them equal", early.Shape[2], t.Shape[2])
		}
	}
	payloads := make([]schemas.Payload, len(batch))
	sum, other := make([]float64, t.Shape[2]), make([]float64, t.Shape[2])
	for i := range batch {
		err := e.one(sum, t, e.steps, &batch[i], i)
		if err == nil && early != nil {
			if err = e.one(other, early, e.early, &batch[i], i); err == nil {
				for d := range sum {
					sum[d] = (sum[d] + other[d]) / 2
				}
			}
		}
		if err == nil {
			payloads[i], err = e.form.payload(sum)
		}
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return payloads, nil
}

// one pools row i of t, of which steps says how much is the sample's own.
func (e *embedding) one(dst []float64, t *embed.Tensor, steps steps, s *embed.Sample, i int) error {
	padded, width := int(t.Shape[1]), int(t.Shape[2])
	n, err := steps(s, padded)
	if err != nil {
		return err
	}
	if n <= e.skip {
		return fmt.Errorf("%d steps leave nothing to pool", n)
	}
	return e.pool.Pool(dst, t.F32[(i*padded+e.skip)*width:(i*padded+n)*width])
}

// layerSteps is stepsOf for the states of a layer, which an adapter does not shorten.
func layerSteps(spec *model.Spec) steps {
	if spec.Audio == nil {
		return stepsOf(spec)
	}
	plain, audio := *spec, *spec.Audio
	audio.AddAdapter = false
	plain.Audio = &audio
	return stepsOf(&plain)
}
