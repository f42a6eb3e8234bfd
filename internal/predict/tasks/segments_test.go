package tasks

import (
	"bytes"
	"image/png"
	"slices"
	"testing"
)

func TestPixelsGoToTheLargestResizedLogit(t *testing.T) {
	left := []float32{0, 0, 1, 0} // class 0 everywhere equal; class 1 on the left of one row of two
	for _, c := range []struct {
		name  string
		width int
		want  []int
	}{
		{"at its own size; the first of equals", 2, []int{1, 0}},
		{"twice as wide: what is between is interpolated", 4, []int{1, 1, 1, 0}},
		{"half as wide: the middle", 1, []int{1}},
	} {
		if got := Classes(left, 1, 2, 1, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRunsGoDownTheColumns(t *testing.T) {
	for _, c := range []struct {
		classes []int
		h, w    int
		want    []int
	}{
		{[]int{1, 0, 0, 1, 1, 0}, 2, 3, []int{0, 2, 1, 1, 2}}, // 1 0 0 above 1 1 0
		{[]int{0, 0, 0, 0}, 2, 2, []int{4}},
		{[]int{1, 1}, 1, 2, []int{0, 2}},
		{[]int{0, 1, 0, 1}, 2, 2, []int{2, 2}},
	} {
		if got := columns(c.classes, 1, c.h, c.w); !slices.Equal(got.Counts, c.want) || got.Size != [2]int{c.h, c.w} {
			t.Errorf("%v of %dx%d gives %+v, want %v", c.classes, c.h, c.w, got, c.want)
		}
	}
}

func TestEveryClassPresentHasAMask(t *testing.T) {
	all, err := Segments([]float32{0, 9, -1, -1, 1, 1}, []string{"sky", "sea", "road"}, 1, 2, 2, 2, Show{PNG: true, RLE: true, Areas: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Label != "sky" || all[1].Label != "road" || all[0].Score != nil {
		t.Fatalf("got %+v", all)
	}
	if r := all[0].RLE; r.Size != [2]int{2, 2} || !slices.Equal(r.Counts, []int{2, 2}) || !slices.Equal(all[1].RLE.Counts, []int{0, 2, 2}) {
		t.Errorf("runs of the sky %+v, of the road %+v", r, all[1].RLE)
	}
	if *all[0].Area != 2 || *all[0].Fraction != 0.5 {
		t.Errorf("the sky has %d pixels, %v of the picture", *all[0].Area, *all[0].Fraction)
	}
	mask, err := png.Decode(bytes.NewReader(all[1].Mask))
	if err != nil {
		t.Fatal(err)
	}
	if r, _, _, _ := mask.At(0, 1).RGBA(); r != 0xffff {
		t.Error("the road's mask is not white on the left")
	}
	if r, _, _, _ := mask.At(1, 1).RGBA(); r != 0 {
		t.Error("the road's mask is not black on the right")
	}
	if _, err := Segments([]float32{1}, []string{"a", "b"}, 1, 1, 1, 1, Show{}); err == nil {
		t.Error("accepted one logit for two labels")
	}
}
