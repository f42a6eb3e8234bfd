package audio

import (
	"context"
	"slices"
	"testing"

	"vecmill/schemas"
)

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
