package predict

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

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
	if task != "audio-classification" { // which is strict in the reference, too
		l.function = tasks.Function(strings.ToLower(string(l.function)))
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
	old   bool // return_all_scores: all labels in their own order, in a list of lists
}

func newTextLabels(spec *model.Spec, o Options) (worker, error) {
	e, err := newTexts(spec)
	if err != nil {
		return nil, err
	}
	t := &textLabels{
		labelling: labelling{names: spec.Labels, function: tasks.UsualFunction(spec.Text.ProblemType, len(spec.Labels), true), most: -1},
		texts:     e,
	}
	places := e.places()
	places["return_all_scores"] = &t.old
	if err := t.read("text-classification", o, places); err != nil {
		return nil, err
	}
	if o.has("top_k") {
		t.old = false
	} else {
		t.first = !t.old
	}
	return t, e.checkTruncation()
}

func (t *textLabels) prepare(_ context.Context, in *Input) (*prepared, error) {
	return t.texts.single(in)
}

func (t *textLabels) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	if t.first {
		t.most = 1
	}
	r, err := t.labelling.finish(p, out)
	all, ok := r.([]tasks.Label)
	if err != nil || !t.old || !ok {
		return r, err
	}
	slices.SortStableFunc(all, func(a, b tasks.Label) int {
		return cmp.Compare(slices.Index(t.names, a.Label), slices.Index(t.names, b.Label))
	})
	return [][]tasks.Label{all}, nil
}

// pictures prepares images.
type pictures struct{ pre *image.Preprocessor }

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
	var err error
	if i.pictures, o, err = newPictures(spec, o); err != nil {
		return nil, err
	}
	return i, i.read("image-classification", o, nil)
}
