package predict

import (
	"context"
	"maps"

	"vecmill/embed"
	"vecmill/embed/image"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
	"vecmill/schemas"
)

// labelling is what the three classifications share.
type labelling struct {
	names    []string
	function tasks.Function
	most     int // labels to show; negative: all
}

// read takes the options that the three share, and the task's own.
func (l *labelling) read(task string, o Options, own map[string]any) error {
	places := map[string]any{"top_k": &l.most, "function_to_apply": &l.function}
	maps.Copy(places, own)
	if err := o.read(task, places); err != nil {
		return err
	}
	switch l.function {
	case tasks.Softmax, tasks.Sigmoid, tasks.None:
		return nil
	}
	return faultf("option function_to_apply: %q is not one of softmax, sigmoid, none", l.function)
}

func (l *labelling) finish(_ *prepared, out [][]embed.Tensor) (result, error) {
	logits, err := output(out[0], "logits")
	if err != nil {
		return nil, err
	}
	return tasks.Labels(logits.F32, l.names, l.function, l.most)
}

// textLabels is text-classification.
type textLabels struct {
	labelling
	texts *texts
	first bool // one label, not in a list's order: top_k was not given
}

func newTextLabels(spec *model.Spec, o Options) (worker, error) {
	t := &textLabels{
		labelling: labelling{names: spec.Labels, function: tasks.UsualFunction(spec.Text.ProblemType, len(spec.Labels), true), most: -1},
		first:     !o.has("top_k"),
	}
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	t.texts = e
	return t, t.read("text-classification", o, e.places())
}

func (t *textLabels) prepare(_ context.Context, in *Input) (*prepared, error) {
	return t.texts.single(in)
}

func (t *textLabels) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	if t.first {
		t.most = 1
	}
	return t.labelling.finish(p, out)
}

// pictures prepares images.
type pictures struct{ pre *image.Preprocessor }

func newPictures(spec *model.Spec) (pictures, error) {
	pre, err := image.New(spec, image.Options{MaxBytes: maxFile})
	return pictures{pre}, err
}

func (i pictures) prepare(ctx context.Context, in *Input) (*prepared, error) {
	blob, err := in.blob()
	if err != nil {
		return nil, err
	}
	samples, err := i.pre.Preprocess(ctx, schemas.Ref{}, blob)
	if err != nil {
		return nil, err
	}
	x := samples[0].Inputs[0]
	shape := []int64{1}
	for _, d := range x.Shape {
		shape = append(shape, int64(d))
	}
	return &prepared{runs: [][]embed.Tensor{{{Name: x.Name, Shape: shape, F32: x.F32}}}, tag: samples[0].Tag}, nil
}

// imageLabels is image-classification.
type imageLabels struct {
	labelling
	pictures
}

func newImageLabels(spec *model.Spec, o Options) (worker, error) {
	i := &imageLabels{labelling: labelling{names: spec.Labels, most: 5}}
	i.function = tasks.UsualFunction(spec.Vision.ProblemType, len(spec.Labels), false)
	if err := i.read("image-classification", o, nil); err != nil {
		return nil, err
	}
	var err error
	i.pictures, err = newPictures(spec)
	return i, err
}

// features is feature-extraction: the class's first output as nested lists.
type features struct {
	prepared func(context.Context, *Input) (*prepared, error)
}

func newFeatures(spec *model.Spec, o Options) (worker, error) {
	f := &features{}
	places := map[string]any{}
	switch spec.Modality {
	case schemas.Audio:
		pre, err := newAudio(spec)
		if err != nil {
			return nil, err
		}
		f.prepared = func(ctx context.Context, in *Input) (*prepared, error) { return whole(ctx, pre, in) }
	case schemas.Text:
		t, err := newTexts(spec)
		if err != nil {
			return nil, err
		}
		places = t.places()
		f.prepared = func(_ context.Context, in *Input) (*prepared, error) { return t.single(in) }
	default:
		p, err := newPictures(spec)
		if err != nil {
			return nil, err
		}
		f.prepared = p.prepare
	}
	return f, o.read("feature-extraction", places)
}

func (f *features) prepare(ctx context.Context, in *Input) (*prepared, error) {
	return f.prepared(ctx, in)
}

func (f *features) finish(_ *prepared, out [][]embed.Tensor) (result, error) {
	for _, first := range []string{"logits", state, "start_logits"} {
		if t, err := output(out[0], first); err == nil {
			return nest(t.F32, t.Shape)
		}
	}
	return nil, faultf("the model gives no output that is a feature")
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
