package schemas_test

import (
	"reflect"
	"testing"

	"vecmill/schemas"
)

func TestARangeIsCutAndJoinedAgain(t *testing.T) {
	span := func(a, b int64) schemas.Span { return schemas.Span{First: a, Next: b} }
	whole := schemas.Range{
		Source: schemas.SourceID{Topic: "t"}, Span: span(10, 40),
		Dead: []schemas.Span{span(10, 12), span(20, 30)}, Skipped: []schemas.Span{span(12, 13)}, Lost: []schemas.Span{span(39, 40)},
	}
	want := schemas.Range{Source: whole.Source, Span: span(11, 25), Dead: []schemas.Span{span(11, 12), span(20, 25)}, Skipped: []schemas.Span{span(12, 13)}}
	if got := whole.Cut(11, 25); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for at := whole.First; at <= whole.Next; at++ {
		left, right := whole.Cut(0, at), whole.Cut(at, 99)
		if left.Len()+right.Len() != whole.Len() {
			t.Errorf("cut at %d: %+v and %+v", at, left, right)
		}
		if left.Join(&right); !reflect.DeepEqual(left, whole) {
			t.Errorf("cut at %d and joined: %+v", at, left)
		}
	}
	for _, off := range [][2]int64{{0, 10}, {40, 50}, {30, 20}} {
		if got := whole.Cut(off[0], off[1]); got.Len() != 0 || got.Dead != nil {
			t.Errorf("outside of the range: %+v", got)
		}
	}
}

func TestARangeSaysWhichOffsetsHaveNoRow(t *testing.T) {
	span := func(a, b int64) schemas.Span { return schemas.Span{First: a, Next: b} }
	r := schemas.Range{Span: span(0, 30), Dead: []schemas.Span{span(2, 4), span(9, 10)}, Skipped: []schemas.Span{span(4, 5)}, Lost: []schemas.Span{span(20, 30)}}
	var without []int64
	for o := range int64(31) {
		if r.Rowless(o) {
			without = append(without, o)
		}
	}
	if want := []int64{2, 3, 4, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}; !reflect.DeepEqual(without, want) {
		t.Errorf("%v, want %v", without, want)
	}
}

func TestWhatHasRowsIsNotSkipped(t *testing.T) {
	span := func(a, b int64) schemas.Span { return schemas.Span{First: a, Next: b} }
	for _, c := range []struct{ skipped, want []schemas.Span }{
		{nil, nil},
		{[]schemas.Span{span(0, 3), span(5, 6)}, []schemas.Span{span(0, 3), span(5, 6)}},
		{[]schemas.Span{span(3, 5)}, []schemas.Span{span(3, 4)}},
		{[]schemas.Span{span(4, 5), span(7, 9)}, []schemas.Span{span(8, 9)}},
		{[]schemas.Span{span(0, 10)}, []schemas.Span{span(0, 4), span(5, 7), span(8, 10)}},
	} {
		r := schemas.Range{Span: span(0, 10), Skipped: c.skipped}
		if r.Unskip([]schemas.Row{{Lineage: schemas.Lineage{Offset: 7}}, {Lineage: schemas.Lineage{Offset: 4}}, {Lineage: schemas.Lineage{Offset: 4}}, {Lineage: schemas.Lineage{Offset: 20}}}); !reflect.DeepEqual(r.Skipped, c.want) {
			t.Errorf("of %v %v are left, want %v", c.skipped, r.Skipped, c.want)
		}
	}
}
