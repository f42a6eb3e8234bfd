package embed

import (
	"slices"
	"testing"
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
	audio := NewShapes(16000, 30*16000, 1600, 8)
	if len(audio.Lengths) > 18 || audio.Validate() != nil {
		t.Errorf("%d lengths for half a minute of audio", len(audio.Lengths))
	}
	for n := 16000; n <= 30*16000; n += 777 {
		if up := least(audio.Lengths, n); up < n || float64(up) > 1.25*float64(n)+1600 {
			t.Errorf("%d is padded to %d", n, up)
		}
	}
	if least(audio.Lengths, 31*16000) != 31*16000 || least(nil, 5) != 5 {
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
	if p := s.padded(10, batch); p != 24 { // of 5 to 6 values, of 2 to 4 items
		t.Errorf("a padded cost of %d, want 24", p)
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

// Pictures have one size, whatever lengths are.
func TestPicturesKeepTheirSize(t *testing.T) {
	batch := []Sample{{Cost: 4, Inputs: []Input{{Name: "pixel_values", Shape: []int{1, 2, 2}, F32: []float32{1, 2, 3, 4}}}}}
	s := Shapes{Lengths: []int{16}, Items: []int{2}}
	got, err := collate(batch, s, &Floats{})
	if err != nil || !slices.Equal(got[0].Shape, []int64{2, 1, 2, 2}) || s.padded(4, batch) != 8 {
		t.Errorf("%+v, %v, padded cost %d", got, err, s.padded(4, batch))
	}
}
