package predict

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"vecmill/embed"
	"vecmill/embed/heads"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
	"vecmill/schemas"
)

// features is feature-extraction: the states of all tokens, frames or patches as nested lists, or one vector of them.
type features struct {
	prepared func(context.Context, *Input) (*prepared, error)
	pool     bool // the model's own pooled output
	pooling  heads.Pooling
	unit     bool
	skip     int // states that are not pooled, except by cls
}

func newFeatures(spec *model.Spec, o Options) (worker, error) {
	f := &features{}
	places := map[string]any{"pool": &f.pool, "pooling": &f.pooling, "normalize": &f.unit}
	check := func() error { return nil }
	switch spec.Modality {
	case schemas.Audio:
		pre, rest, err := newAudio(spec, o)
		if err != nil {
			return nil, err
		}
		o = rest
		f.prepared = func(ctx context.Context, in *Input) (*prepared, error) { return whole(ctx, pre, in) }
	case schemas.Text:
		t, err := newTexts(spec)
		if err != nil {
			return nil, err
		}
		maps.Copy(places, t.places())
		if o, err = o.spread("tokenize_kwargs"); err != nil {
			return nil, err
		}
		check = t.checkTruncation
		f.prepared = func(_ context.Context, in *Input) (*prepared, error) {
			p, err := t.single(in)
			if err == nil && t.padding == "max_length" && f.pooling == "" { // what is pooled is the text's own; elsewhere padding changes no result
				err = t.pad(p.runs[0])
			}
			return p, err
		}
	default:
		p, rest, err := newPictures(spec, o)
		if err != nil {
			return nil, err
		}
		o = rest
		f.prepared, f.skip = p.prepare, 1
	}
	if err := errors.Join(o.read("feature-extraction", places), check()); err != nil {
		return nil, err
	}
	switch {
	case f.pool && f.pooling != "":
		return nil, faultf("option pooling excludes pool, the model's own")
	case f.unit && !f.pool && f.pooling == "":
		return nil, faultf("option normalize needs pooling or pool")
	case f.pooling == heads.CLS && spec.Modality == schemas.Audio:
		return nil, faultf("option pooling: audio has no class token; it has mean, max, first_last")
	}
	switch f.pooling {
	case "", heads.Mean, heads.Max, heads.CLS, heads.FirstLast:
		return f, nil
	}
	return nil, faultf("option pooling: %q is not one of mean, max, cls, first_last", f.pooling)
}

// firstLayer is the output of the states behind the first layer.
const firstLayer = "hidden_states.1"

func (f *features) prepare(ctx context.Context, in *Input) (*prepared, error) {
	p, err := f.prepared(ctx, in)
	if err != nil {
		return nil, err
	}
	p.outputs = []string{state}
	if f.pooling == heads.FirstLast {
		p.outputs = append(p.outputs, firstLayer)
	}
	if f.pool {
		p.outputs = append(p.outputs, pooled)
	}
	return p, nil
}

func (f *features) finish(_ *prepared, out [][]embed.Tensor) (result, error) {
	switch {
	case f.pool:
		return f.vector(out[0], pooled)
	case f.pooling == heads.FirstLast:
		return f.vector(out[0], state, firstLayer)
	case f.pooling != "":
		return f.vector(out[0], state)
	}
	for _, first := range []string{state, "logits", "start_logits"} { // the classes of choices, and ready-made graphs, may have no states
		if t, err := output(out[0], first); err == nil {
			return nest(t.F32, t.Shape)
		}
	}
	return nil, faultf("the model gives no output that is a feature")
}

// vector pools outputs, [1, T, H] or [1, H], and takes the mean of what they give.
func (f *features) vector(out []embed.Tensor, names ...string) (result, error) {
	var sum []float64
	for _, name := range names {
		t, err := output(out, name)
		if err != nil {
			return nil, fmt.Errorf("pooling: %w", err)
		}
		skip := 0
		if name != pooled && f.pooling != heads.CLS {
			skip = f.skip
		}
		v := make([]float64, width(t))
		if err := f.pooling.Pool(v, t.F32[skip*len(v):]); err != nil {
			return nil, err
		}
		if sum == nil {
			sum = make([]float64, len(v))
		}
		if len(v) != len(sum) {
			return nil, faultf("the outputs %v have different widths, %d and %d", names, len(sum), len(v))
		}
		for d := range v {
			sum[d] += v[d] / float64(len(names))
		}
	}
	if f.unit {
		heads.Normalise(sum)
	}
	return tasks.Finite(sum)
}

// nest makes nested lists of a tensor.
func nest(values []float32, shape []int64) (any, error) {
	if len(shape) <= 1 {
		return tasks.None.Apply(values) // as numbers, all of them finite
	}
	n := len(values) / int(shape[0])
	list := make([]any, shape[0])
	for i := range list {
		var err error
		if list[i], err = nest(values[i*n:(i+1)*n], shape[1:]); err != nil {
			return nil, err
		}
	}
	return list, nil
}
