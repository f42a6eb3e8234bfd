package audio

import (
	"context"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/schemas"
)

// Waveform decodes blob to mono samples at the model's rate, not normalised: all of it, as the tests want it.
func (p *Preprocessor) Waveform(ctx context.Context, blob []byte) ([]float32, error) {
	x, _, err := p.read(ctx, blob)
	return x, err
}

// Prepare makes a sample of part of a waveform, and leaves x as it is.
func (p *Preprocessor) Prepare(x []float32) (embed.Sample, error) {
	if err := p.enough(len(x)); err != nil {
		return embed.Sample{}, err
	}
	return p.sample(slices.Clone(x), 0, 0, false), nil
}

func TestAWaveformPreparedIsWhatPreprocessingGives(t *testing.T) {
	p := newPreprocessor(t, `{}`, Options{})
	blob := tone(1600, 16000)
	x, err := p.Waveform(context.Background(), blob)
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(x)
	got, err := p.Prepare(x)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(x, before) {
		t.Error("preparing changed the waveform")
	}
	want, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Inputs[0].F32, want[0].Inputs[0].F32) || got.Cost != want[0].Cost {
		t.Error("the sample differs")
	}
	if _, err := p.Prepare(x[:399]); err == nil {
		t.Error("prepared less than a frame")
	}
	_, err = p.Waveform(context.Background(), nil)
	wantRejection(t, err, schemas.ReasonTooShort, "")
	_, err = p.Waveform(context.Background(), []byte("no audio at all"))
	wantRejection(t, err, schemas.ReasonDecode, "")
}
