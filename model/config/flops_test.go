package config

import (
	"math"
	"testing"
)

// The published figures: BERT-base 22.4 GFLOP for 128 tokens, ViT-base 17.6 G multiplications and additions for a picture of 224 x 224 in patches of 16.
func TestFLOPsAreThePublishedOnes(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"text of 128 tokens", defaultText().FLOPs(128), 22.35e9},
		{"picture of 196 patches", defaultVision().FLOPs(196), 35.1e9},
		{"nothing", defaultText().FLOPs(0), 0},
	} {
		if math.Abs(c.got-c.want) > 0.005*c.want {
			t.Errorf("%s: %.4g, want %.4g", c.name, c.got, c.want)
		}
	}
}

// By hand, with numbers that differ from each other: two convolutions, strides 5 and 2, for 3 frames.
func TestFLOPsOfAudioByHand(t *testing.T) {
	c := &Audio{
		HiddenSize: 8, NumHiddenLayers: 1, IntermediateSize: 24, ConvDim: []int{4, 6}, ConvStride: []int{5, 2}, ConvKernel: []int{10, 3},
		ConvPosKernelSize: 7, NumConvPosEmbeddings: 2, NumConvPosEmbeddingGroups: 4, AdapterKernelSize: 3, AdapterStride: 2, NumAdapterLayers: 1, OutputHiddenSize: 5,
	}
	features := 2*6*(1*10)*4 + 2*3*(4*3)*6 // 6 positions, then 3
	projection := 2 * 3 * 6 * 8
	positions := 2 * (2 * 3 * (8 / 4) * 7 * 8)
	transformer := 4*(2*3*8*8) + 2*(2*3*3*8) + 2*(2*3*8*24)
	want := float64(features + projection + positions + transformer)
	if got := c.FLOPs(3); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	c.AddAdapter = true
	want += 2*3*8*5 + 2*1.5*5*3*10
	if got := c.FLOPs(3); got != want {
		t.Errorf("with an adapter %v, want %v", got, want)
	}
}

// By hand: a projector, then convolutions of kernels 3, 2 and 1.
func TestFLOPsOfXVectorsByHand(t *testing.T) {
	c := &Audio{HiddenSize: 8, TDNNDim: []int{4}, TDNNKernel: []int{3}}
	if got, want := c.XVectorFLOPs(10), float64(10*2*(8*4+4*3*4)); got != want {
		t.Errorf("one convolution: %v, want %v", got, want)
	}
	c.TDNNDim, c.TDNNKernel = []int{4, 6, 5}, []int{3, 2, 1}
	if got, want := c.XVectorFLOPs(10), float64(10*2*(8*4+4*3*4+4*2*6+6*1*5)); got != want {
		t.Errorf("three: %v, want %v", got, want)
	}
	want := c.XVectorFLOPs(10)
	c.AddAdapter, c.AdapterStride, c.NumAdapterLayers = true, 2, 3
	if got := c.XVectorFLOPs(80); got != want {
		t.Errorf("of 10 frames that an adapter leaves of 80: %v, want %v", got, want)
	}
	c.UseWeightedLayerSum = true // of the states before the adapter
	if got := c.XVectorFLOPs(10); got != want {
		t.Errorf("of a sum of layers: %v, want %v", got, want)
	}
}

// By hand, for a grid of 4 x 4, whose levels are of 16, 8, 4 and 2 places a side, with scenes pooled to 1 and 3 a side.
func TestFLOPsOfSegmentationByHand(t *testing.T) {
	c := &Vision{HiddenSize: 6, ImageSize: HW{16, 16}, PatchSize: HW{4, 4}, PoolScales: []int{1, 3}}
	const d, labels = 6 * 6, 7
	doubled := 4*4*d*2*2 + 8*8*d*2*2 + 4*4*d*2*2
	scenes := (1+9)*d + (4+1+4)*d*9 // of the second, resized first, as many places as the map has
	lateral := (16*16 + 8*8 + 4*4) * d
	smoothed := (16*16 + 8*8 + 4*4) * d * 9
	joined := (16*16 + 8*8 + 4*4 + 2*2) * d * 9
	want := float64(2 * (doubled + scenes + lateral + smoothed + joined + 16*16*6*labels))
	if got := c.SegmentationFLOPs(labels); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
