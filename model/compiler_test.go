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
