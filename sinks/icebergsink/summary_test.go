package icebergsink

import (
	"errors"
	"maps"
	"reflect"
	"testing"

	"vecmill/schemas"
)

func TestSummariesReadBackEqual(t *testing.T) {
	p := Progress{sourceOf(0): {5, "a"}, sourceOf(12): {1 << 60, "b \"✓"}}
	text, err := p.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseProgress(text); err != nil || !maps.Equal(got, p) {
		t.Errorf("%+v, %v", got, err)
	}
	r := schemas.Range{
		Source: sourceOf(3), Span: schemas.Span{First: 4, Next: 90},
		Dead: []schemas.Span{{First: 4, Next: 6}, {First: 8, Next: 9}}, Skipped: []schemas.Span{{First: 6, Next: 8}}, Lost: []schemas.Span{{First: 89, Next: 90}},
	}
	if text, err = encodeRange(&r); err != nil {
		t.Fatal(err)
	}
	if got, err := parseRange(text); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDamagedSummariesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, progress, span string }{
		{"no JSON", "x", "x"},
		{"negative", `[{"topic":"t","next":-1}]`, `{"topic":"t","first":-1,"next":2}`},
		{"a source twice, an empty range", `[{"topic":"t"},{"topic":"t"}]`, `{"topic":"t","first":2,"next":2}`},
		{"a number too large, a span outside", `[{"topic":"t","next":9e99}]`, `{"topic":"t","first":2,"next":4,"dead":[[3,5]]}`},
		{"a negative partition, spans that overlap", `[{"topic":"t","partition":-1}]`, `{"topic":"t","first":2,"next":9,"dead":[[3,5],[4,6]]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := View{Ancestors: []Snapshot{{ID: 1, Summary: map[string]string{progressKey: c.progress, rangeKey: c.span}}}}
			if _, err := v.Progress(); !errors.Is(err, ErrBadSummary) {
				t.Errorf("progress: %v", err)
			}
			if _, ok, err := v.Ancestors[0].Range(); ok || !errors.Is(err, ErrBadSummary) {
				t.Errorf("range: %v, %v", ok, err)
			}
		})
	}
}

func FuzzSummary(f *testing.F) {
	f.Add(`[{"pipeline":"p","topic":"t","partition":1,"next":5,"nonce":"x"}]`)
	f.Add(`{"pipeline":"p","topic":"t","first":2,"next":9,"dead":[[3,5]],"skipped":[[2,3]],"lost":[[8,9]]}`)
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parseProgress(s); err == nil {
			text, err := p.encode()
			if again, err2 := parseProgress(text); err != nil || err2 != nil || !maps.Equal(p, again) {
				t.Errorf("%q: %v, %v", text, err, err2)
			}
		}
		if r, err := parseRange(s); err == nil {
			text, err := encodeRange(&r)
			if again, err2 := parseRange(text); err != nil || err2 != nil || !reflect.DeepEqual(r, again) {
				t.Errorf("%q: %v, %v", text, err, err2)
			}
		}
	})
}
