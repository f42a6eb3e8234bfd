package config

import "testing"

// The longest clip of so many frames is found by trying.
func TestOneSampleMoreThanTheMostIsOneFrameMore(t *testing.T) {
	for name, c := range map[string]*Audio{
		"base":                           defaultAudio(),
		"strides beyond the kernels":     {ConvKernel: []int{3, 2}, ConvStride: []int{5, 3}},
		"kernels far beyond the strides": {ConvKernel: []int{9, 8, 7}, ConvStride: []int{2, 1, 3}},
	} {
		for frames := 1; frames < 200; frames++ {
			n := c.MostSamples(frames)
			if got, more := c.Frames(n), c.Frames(n+1); got != frames || more != frames+1 {
				t.Fatalf("%s: %d samples are %d frames and %d are %d, want %d and one more", name, n, got, n+1, more, frames)
			}
		}
	}
}
