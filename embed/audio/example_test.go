package audio_test

import (
	"context"
	"fmt"
	"os"

	"vecmill/embed/audio"
	"vecmill/model"
	"vecmill/schemas"
)

func Example() {
	spec := &model.Spec{
		Dir: "testdata/checkpoint", Class: "Data2VecAudioModel", Modality: schemas.Audio,
		Audio: &model.AudioConfig{ConvKernel: []int{10, 3, 3, 3, 3, 2, 2}, ConvStride: []int{5, 2, 2, 2, 2, 2, 2}},
	}
	p, err := audio.New(spec, audio.Options{Long: audio.Window, MaxSeconds: 0.08})
	if err != nil {
		fmt.Println(err)
		return
	}
	blob, err := os.ReadFile("testdata/corpus/speech-44100.flac")
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := p.Preprocess(context.Background(), schemas.Ref{}, blob)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range samples {
		fmt.Printf("window %d: %.2f s to %.2f s, %d samples, %d frames\n", s.Window, s.Start, s.End, s.Inputs[1].I64[0], s.Cost)
	}
	// Output:
	// window 0: 0.00 s to 0.08 s, 1280 samples, 3 frames
	// window 1: 0.08 s to 0.12 s, 640 samples, 1 frames
}
