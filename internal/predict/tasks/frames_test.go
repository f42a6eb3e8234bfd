package tasks

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestFramesOfALabelBecomeASegment(t *testing.T) {
	logits := []float32{ // two labels, five frames of half a second
		2, -2,
		2, 2,
		-2, 2,
		2, -2,
		-2, -2,
	}
	for _, c := range []struct {
		name     string
		function Function
		over     float64
		want     string
	}{
		{"sigmoid: labels overlap", Sigmoid, 0.5, "a 0-1 0.88|b 0.5-1.5 0.88|a 1.5-2 0.88"},
		{"softmax: one at a time, the first of equals", Softmax, 0, "a 0-1 0.74|b 1-1.5 0.98|a 1.5-2.5 0.74"},
		{"softmax: none where the best is not above the threshold", Softmax, 0.6, "a 0-0.5 0.98|b 1-1.5 0.98|a 1.5-2 0.98"},
		{"nothing is above it", Sigmoid, 0.99, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Framing{Labels: []string{"a", "b"}, Function: c.function, Threshold: c.over, Hop: 4, Rate: 8}
			r, err := f.Frames(logits)
			if err != nil || r.FrameScores != nil {
				t.Fatalf("%+v, %v", r, err)
			}
			var got []string
			for _, s := range r.Segments {
				got = append(got, fmt.Sprintf("%s %v-%v %.2f", s.Label, s.Start, s.End, s.Score))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
	f := Framing{Labels: []string{"a", "b"}, Function: Sigmoid, Threshold: 0.5, Hop: 4, Rate: 8, Raw: true}
	r, err := f.Frames(logits)
	if err != nil || r.FrameSeconds != 0.5 || len(r.FrameScores) != 5 || !slices.Equal(r.FrameLabels[1], []int{1, 1}) || !slices.Equal(r.FrameLabels[4], []int{0, 0}) {
		t.Errorf("raw frames %+v, %v", r, err)
	}
	if _, err := f.Frames(logits[:3]); err == nil {
		t.Error("accepted one frame and a half")
	}
	if _, err := f.Frames([]float32{float32(math.NaN()), 0}); err == nil {
		t.Error("accepted NaN")
	}
}

func TestTheCosineIsThatOfTheAngle(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 0}, []float64{0, 2}, 0},
		{[]float64{1, 2}, []float64{2, 4}, 1},
		{[]float64{1, 2}, []float64{-1, -2}, -1},
		{[]float64{3, 4}, []float64{4, 3}, 0.96},
		{[]float64{0, 0}, []float64{4, 3}, 0},
	} {
		if got := Cosine(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
