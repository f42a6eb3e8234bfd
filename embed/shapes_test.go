package embed

import (
	"math/rand/v2"
	"slices"
	"testing"

	"vecmill/model"
	"vecmill/model/config"
)

func TestShapesAreFewAndEndWhereTheyAreTold(t *testing.T) {
	for _, c := range []struct {
		name                    string
		first, last, step, most int
		lengths, items          []int
	}{
		{"tokens", 16, 64, 8, 6, []int{16, 24, 32, 40, 48, 64}, []int{1, 2, 4, 6}},
		{"one length", 8, 8, 8, 1, []int{8}, []int{1}},
		{"a last length that is no multiple", 16, 30, 8, 8, []int{16, 24, 30}, []int{1, 2, 4, 8}},
	} {
		s := NewShapes(c.first, c.last, c.step, c.most)
		if !slices.Equal(s.Lengths, c.lengths) || !slices.Equal(s.Items, c.items) || s.Validate() != nil {
			t.Errorf("%s: %+v, %v", c.name, s, s.Validate())
		}
	}
	if least([]int{2, 4}, 5) != 5 || least(nil, 5) != 5 {
		t.Error("a length behind the last is not left as it is")
	}
	for _, s := range []Shapes{{Lengths: []int{2, 2}}, {Items: []int{0, 1}}, {Items: []int{3, 1}}} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
}

func TestBatchesArePaddedToAShapeAndOutputsCutBack(t *testing.T) {
	clip := func(x ...float32) Sample {
		return Sample{Cost: len(x), Inputs: []Input{{Name: "input_values", Shape: []int{len(x)}, F32: x}, {Name: "lengths", I64: []int64{int64(len(x))}}}}
	}
	s := Shapes{Lengths: []int{4, 6}, Items: []int{1, 4}}
	batch := []Sample{clip(1, 2, 3), clip(4, 5, 6, 7, 8)}
	got, err := collate(batch, s, &Floats{})
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{1, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8, 0, 4, 5, 6, 7, 8, 0, 4, 5, 6, 7, 8, 0}
	if !slices.Equal(got[0].Shape, []int64{4, 6}) || !slices.Equal(got[0].F32, want) {
		t.Errorf("%v %v", got[0].Shape, got[0].F32)
	}
	if !slices.Equal(got[1].Shape, []int64{4}) || !slices.Equal(got[1].I64, []int64{3, 5, 5, 5}) {
		t.Errorf("lengths %v %v", got[1].Shape, got[1].I64)
	}
	if rows, length := s.Round(2, 5); rows != 4 || length != 6 {
		t.Errorf("2 items of 5 run as %d of %d", rows, length)
	}
	out := &Output{Tensors: []Tensor{
		{Name: "logits", Shape: []int64{4, 2}, F32: []float32{1, 2, 3, 4, 5, 6, 7, 8}},
		{Name: "rows of two choices", Shape: []int64{8}, I64: []int64{1, 2, 3, 4, 5, 6, 7, 8}},
	}}
	if err := s.trim(out, 2); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.Tensors[0].Shape, []int64{2, 2}) || !slices.Equal(out.Tensors[0].F32, []float32{1, 2, 3, 4}) ||
		!slices.Equal(out.Tensors[1].Shape, []int64{4}) || !slices.Equal(out.Tensors[1].I64, []int64{1, 2, 3, 4}) {
		t.Errorf("%+v", out.Tensors)
	}
	if middle, err := out.Part(1, 2, 2); err != nil || !slices.Equal(middle.Tensors[0].Shape, []int64{1, 2}) || !slices.Equal(middle.Tensors[0].F32, []float32{3, 4}) || !slices.Equal(middle.Tensors[1].I64, []int64{3, 4}) {
		t.Errorf("%+v, %v", middle, err)
	}
	if s.trim(&Output{Tensors: []Tensor{{Name: "odd", Shape: []int64{3}}}}, 2) == nil {
		t.Error("an output of other rows is cut")
	}
}

// What a batcher takes a clip's shape for is what it is padded to: frames are rounded as samples are, at every length.
func TestClipsRunAsLongAsTheBatcherThinks(t *testing.T) {
	for name, audio := range map[string]*config.Audio{
		"base": {ConvKernel: []int{10, 3, 3, 3, 3, 2, 2}, ConvStride: []int{5, 2, 2, 2, 2, 2, 2}},
		"few":  {ConvKernel: []int{4, 2}, ConvStride: []int{160, 2}},
	} {
		const longest = 30 * 16000
		s := UsualShapes(&model.Spec{Audio: audio}, longest, 8)
		if len(s.Lengths) > 18 || s.Validate() != nil {
			t.Errorf("%s: lengths %v for half a minute, %v", name, s.Lengths, s.Validate())
		}
		for frames := 1; frames <= audio.Frames(longest)+3; frames++ {
			for _, n := range []int{audio.MostSamples(frames-1) + 1, audio.MostSamples(frames)} { // the shortest and the longest clip
				wide := s.wide(n)
				if _, length := s.Round(1, frames); audio.Frames(n) != frames || wide < n || audio.Frames(wide) != length || n > 16000 && float64(wide) > 1.25*float64(n)+2000 {
					t.Fatalf("%s: %d samples of %d frames are padded to %d of %d, the batcher takes them for %d", name, n, frames, wide, audio.Frames(wide), length)
				}
			}
		}
	}
}

func TestUsualShapesOfTextsAndPictures(t *testing.T) {
	text := UsualShapes(&model.Spec{Text: &config.Text{}}, 64, 6)
	if !slices.Equal(text.Lengths, []int{16, 24, 32, 40, 48, 64}) || !slices.Equal(text.Items, []int{1, 2, 4, 6}) || text.wide(17) != 24 || text.wide(65) != 65 {
		t.Errorf("texts: %+v", text)
	}
	if short := UsualShapes(&model.Spec{Text: &config.Text{}}, 10, 1); !slices.Equal(short.Lengths, []int{10}) {
		t.Errorf("texts that are shorter than the least: %+v", short)
	}
	if images := UsualShapes(&model.Spec{Vision: &config.Vision{}}, 0, 8); len(images.Lengths) > 0 || !slices.Equal(images.Items, []int{1, 2, 4, 8}) {
		t.Errorf("pictures: %+v", images)
	}
}

// TestAsManyFitAsRunWithinTheBudget counts them.
func TestAsManyFitAsRunWithinTheBudget(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for range 2000 {
		var s Shapes
		for n, all := 0, r.IntN(5); len(s.Items) < all; {
			n += 1 + r.IntN(9)
			s.Items = append(s.Items, n)
		}
		rows, most := r.IntN(40), 1+r.IntN(40)
		want := 0
		for n := 1; n <= most && least(s.Items, n) <= rows; n++ {
			want = n
		}
		if got := s.fit(rows, most); got != want {
			t.Fatalf("of %d items %d fit %d rows of %v, want %d", most, got, rows, s.Items, want)
		}
	}
	s := Shapes{Lengths: []int{16, 24}, Items: []int{1, 2, 4, 8, 16, 32, 64}}
	for _, c := range [][2]int{{15, 32}, {17, 16}, {8, 32}, {30, 16}, {600, 1}, {0, 32}} {
		if got := s.Fit(&Sample{Cost: c[0]}, 512, 64); got != c[1] {
			t.Errorf("%d items of %d steps fit 512, want %d", got, c[0], c[1])
		}
	}
}

// Pictures have one size, whatever lengths are.
func TestPicturesKeepTheirSize(t *testing.T) {
	batch := []Sample{{Cost: 4, Inputs: []Input{{Name: "pixel_values", Shape: []int{1, 2, 2}, F32: []float32{1, 2, 3, 4}}}}}
	s := Shapes{Lengths: []int{16}, Items: []int{2}}
	got, err := collate(batch, s, &Floats{})
	if err != nil || !slices.Equal(got[0].Shape, []int64{2, 1, 2, 2}) {
		t.Errorf("%+v, %v", got, err)
	}
}
