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

func TestEveryClassPresentHasAMask(t *testing.T) {
	all, err := Segments([]float32{0, 9, -1, -1, 1, 1}, []string{"sky", "sea", "road"}, 1, 2, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Label != "sky" || all[1].Label != "road" || all[0].Score != nil {
		t.Fatalf("got %+v", all)
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
	if _, err := Segments([]float32{1}, []string{"a", "b"}, 1, 1, 1, 1); err == nil {
		t.Error("accepted one logit for two labels")
	}
}
