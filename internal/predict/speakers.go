package predict

import (
	"context"
	"slices"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/heads"
	"vecmill/internal/predict/tasks"
	"vecmill/model"
)

// xvectors is audio-xvector: the speaker's vector of each input.
type xvectors struct {
	pre           *audio.Preprocessor
	frames        func(samples int) int // that a vector is made of
	unit, compare bool
	before        [][]float64 // vectors of the inputs so far, to compare with
}

func newXVectors(spec *model.Spec, o Options) (worker, error) {
	x := &xvectors{frames: spec.Audio.XVectorFrames}
	var err error
	if x.pre, o, err = newVoices(spec, o); err != nil {
		return nil, err
	}
	return x, o.read("audio-xvector", map[string]any{"normalize": &x.unit, "compare": &x.compare})
}

// newVoices prepares recordings for x-vectors.
func newVoices(spec *model.Spec, o Options) (*audio.Preprocessor, Options, error) {
	return newSounds(spec, o, audio.Options{XVectors: true})
}

func (x *xvectors) prepare(ctx context.Context, in *Input) (*prepared, error) {
	return x.clip(ctx, in)
}

// clip prepares a recording with the inputs that the reference's extractor makes of it: with a mask of ones, which counts the frames by a formula
// there, or without, which takes those that there are.
func (x *xvectors) clip(ctx context.Context, in *Input) (*prepared, error) {
	p, err := whole(ctx, x.pre, in)
	if err == nil && !x.pre.Masks() {
		p.runs[0] = slices.DeleteFunc(p.runs[0], func(t embed.Tensor) bool { return t.Name == "attention_mask" })
	}
	return p, err
}

// speaker is the vector of one run.
func (x *xvectors) speaker(p *prepared, run int, out []embed.Tensor) ([]float64, error) {
	t, err := output(out, "embeddings")
	if err != nil {
		return nil, err
	}
	v, err := tasks.None.Apply(t.F32) // as numbers, all of them finite
	if n := int(p.runs[run][0].Shape[1]); err != nil && x.frames(n) == 1 {
		return nil, faultf("%w: the x-vector of a single frame (%d samples) has no deviation as the reference computes it", err, n)
	}
	return v, err
}

func (x *xvectors) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	v, err := x.speaker(p, 0, out[0])
	if err != nil {
		return nil, err
	}
	r := tasks.XVector{Embedding: v}
	if x.unit {
		heads.Normalise(v)
	}
	if x.compare {
		for _, other := range x.before {
			r.Similarity = append(r.Similarity, tasks.Cosine(v, other))
		}
		x.before = append(x.before, v)
	}
	return r, nil
}

// verification is speaker-verification: whether two recordings are of one speaker.
type verification struct {
	xvectors
	threshold float64
	first     *Input // what inputs of one file are compared with: the first of them
}

func newVerification(spec *model.Spec, o Options) (worker, error) {
	v := &verification{xvectors: xvectors{frames: spec.Audio.XVectorFrames}, threshold: 0.7} // of the reference's example; the best depends on the model
	var err error
	if v.pre, o, err = newVoices(spec, o); err != nil {
		return nil, err
	}
	return v, o.read("speaker-verification", map[string]any{"threshold": &v.threshold})
}

func (v *verification) prepare(ctx context.Context, in *Input) (*prepared, error) {
	p, err := v.clip(ctx, in)
	if err != nil {
		return nil, err
	}
	other := &Input{File: in.FilePair}
	if in.FilePair == "" {
		if v.first == nil {
			v.first = in // stdin is read once: its bytes are there
		}
		other = v.first
	}
	q, err := whole(ctx, v.pre, other)
	if err != nil {
		return nil, err
	}
	p.runs = append(p.runs, q.runs...)
	return p, nil
}

func (v *verification) finish(p *prepared, out [][]embed.Tensor) (result, error) {
	a, err := v.speaker(p, 0, out[0])
	if err != nil {
		return nil, err
	}
	b, err := v.speaker(p, 1, out[1])
	if err != nil {
		return nil, err
	}
	score := tasks.Cosine(a, b)
	return tasks.Verification{Score: score, Same: score >= v.threshold, Threshold: v.threshold}, nil
}
