package model

import (
	"strings"
	"testing"

	"vecmill/model/graph"
)

// Rows of a class are computed again where its graphs give other numbers, and nowhere else.
func TestClassesWhoseNumbersChangedHaveAnotherVersion(t *testing.T) {
	for _, class := range graph.Classes() {
		s := &Spec{Class: class}
		if other := s.compiler() != CompilerVersion; other != strings.Contains(class, "Segmentation") {
			t.Errorf("%s has version %d", class, s.compiler())
		}
	}
}

// A sample's cost is what it is in package embed, and heads that compute something for every step are counted.
func TestFLOPsAreOfSamplesAsTheyCost(t *testing.T) {
	vision := &VisionConfig{HiddenSize: 8, NumHiddenLayers: 2, IntermediateSize: 16, ImageSize: HW{H: 16, W: 16}, PatchSize: HW{H: 4, W: 4}, NumChannels: 3, PoolScales: []int{1}}
	plain := &Spec{Class: "Data2VecVisionModel", Vision: vision}
	if got, want := plain.FLOPs(1+16), vision.FLOPs(16); got != want {
		t.Errorf("a picture of 16 patches: %v, want %v", got, want)
	}
	for _, class := range []string{"Data2VecVisionForSemanticSegmentation", "TFData2VecVisionForSemanticSegmentation"} {
		s := &Spec{Class: class, Vision: vision, Labels: []string{"a", "b"}}
		if got, want := s.FLOPs(1+16), vision.FLOPs(16)+vision.SegmentationFLOPs(2); got != want {
			t.Errorf("%s: %v, want %v", class, got, want)
		}
	}
}

// Each class is said to take what its encoder does and, of 16 steps, what its head multiplies for every one of them: by hand.
func TestFLOPsAreWithThoseOfEachClassesHead(t *testing.T) {
	audio := AudioConfig{
		HiddenSize: 8, OutputHiddenSize: 6, VocabSize: 11, ClassifierProjSize: 5, TDNNDim: []int{4}, TDNNKernel: []int{3},
		ConvDim: []int{4}, ConvStride: []int{5}, ConvKernel: []int{10}, NumConvPosEmbeddingGroups: 1, AdapterKernelSize: 3, AdapterStride: 2, NumAdapterLayers: 2,
	}
	adapted := audio
	adapted.AddAdapter = true
	text := &TextConfig{HiddenSize: 8, VocabSize: 11}
	labels := []string{"a", "b", "c"}
	for _, c := range []struct {
		class string
		audio *AudioConfig
		head  float64 // multiplications a step
	}{
		{"Data2VecAudioModel", &audio, 0},
		{"Data2VecAudioForAudioFrameClassification", &audio, 8 * 3},
		{"Data2VecAudioForSequenceClassification", &audio, 8 * 5},
		{"Data2VecAudioForCTC", &audio, 8 * 11},
		{"Data2VecAudioForCTC", &adapted, 6 * 11 / 4.},
		{"Data2VecAudioForXVector", &audio, 8*4 + 4*3*4},
		{"Data2VecAudioForXVector", &adapted, (8*4 + 4*3*4) / 4.},
		{"Data2VecTextModel", nil, 0},
		{"Data2VecTextForCausalLM", nil, 8*8 + 8*11},
		{"Data2VecTextForMaskedLM", nil, 8*8 + 8*11},
		{"Data2VecTextForTokenClassification", nil, 8 * 3},
		{"Data2VecTextForQuestionAnswering", nil, 8 * 2},
		{"Data2VecTextForSequenceClassification", nil, 0},
		{"Data2VecTextForMultipleChoice", nil, 0},
	} {
		s, encoder := &Spec{Class: c.class, Labels: labels, Audio: c.audio}, 0.0
		if c.audio != nil {
			encoder = c.audio.FLOPs(16)
		} else {
			s.Text, encoder = text, text.FLOPs(16)
		}
		if got, want := s.FLOPs(16), encoder+2*16*c.head; got != want {
			t.Errorf("%s, adapter %v: %v, want %v", c.class, c.audio == &adapted, got, want)
		}
	}
}
