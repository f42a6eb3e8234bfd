package predict

import (
	"context"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// frames is audio-frame-classification: who speaks, or what sounds, when.
type frames struct {
	tasks.Framing
	pre *audio.Preprocessor
}

func newFrames(spec *model.Spec, o Options) (worker, error) {
	f := &frames{Framing: tasks.Framing{Labels: spec.Labels, Function: tasks.Sigmoid, Hop: spec.Audio.OutputHopSamples()}}
	var threshold *float64
	var err error
	if f.pre, o, err = newAudio(spec, o); err != nil {
		return nil, err
	}
	if err := o.read("audio-frame-classification", map[string]any{
		"function_to_apply": &f.Function, "threshold": &threshold, "return_frames": &f.Raw,
	}); err != nil {
		return nil, err
	}
	switch {
	case f.Function != tasks.Sigmoid && f.Function != tasks.Softmax:
		return nil, faultf("option function_to_apply: %q is not one of sigmoid, softmax", f.Function)
	case threshold != nil && !(*threshold >= 0 && *threshold <= 1):
		return nil, faultf("option threshold: %v is not between 0 and 1", *threshold)
	case threshold != nil:
		f.Threshold = *threshold
	case f.Function == tasks.Sigmoid:
		f.Threshold = 0.5
	}
	f.Rate = f.pre.SampleRate()
	return f, nil
}

func (f *frames) prepare(ctx context.Context, in *Input) (*prepared, error) {
	return whole(ctx, f.pre, in)
}

func (f *frames) finish(_ *prepared, out [][]embed.Tensor) (result, error) {
	logits, err := output(out[0], "logits")
	if err != nil {
		return nil, err
	}
	return f.Frames(logits.F32)
}
