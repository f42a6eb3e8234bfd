package icebergsink

import (
	"encoding/base64"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"vecmill/schemas"
)

func TestSummariesReadBackEqual(t *testing.T) {
	p := Progress{srcOf(0): 5, srcOf(12): 1 << 60, {Pipeline: "ü \"", Topic: "t"}: 0}
	text, err := p.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseProgress(text); err != nil || !maps.Equal(got, p) {
		t.Errorf("%+v, %v", got, err)
	}
	all := []schemas.Range{rangeOf(1, 0, 3), {
		Source: srcOf(3), Span: schemas.Span{First: 4, Next: 90},
		Dead: []schemas.Span{{First: 4, Next: 6}, {First: 8, Next: 9}}, Skipped: []schemas.Span{{First: 6, Next: 8}}, Lost: []schemas.Span{{First: 89, Next: 90}},
	}}
	var nameless Offsets
	if text, nameless, err = encodeRanges(all); err != nil || nameless != nil {
		t.Fatal(err)
	}
	if got, err := parseRanges(text); err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestASummaryStaysShort(t *testing.T) {
	r := rangeOf(0, 1<<40, 1<<40+1_000_000)
	for o := r.First; o < r.Next; o += 2 {
		r.Skipped = append(r.Skipped, schemas.Span{First: o, Next: o + 1})
	}
	text, _, err := encodeRanges([]schemas.Range{r})
	if err != nil || len(text) > 10_000 {
		t.Errorf("half a million spans are %d bytes, %v", len(text), err)
	}
	if got, err := parseRanges(text); err != nil || !reflect.DeepEqual(got[0], r) {
		t.Errorf("they do not read back: %v", err)
	}
	p := Progress{}
	for n := range 1000 {
		p[srcOf(n)] = int64(n) * 1_234_567_891
	}
	if text, err := p.encode(); err != nil || len(text) > 12_000 {
		t.Errorf("the progress of 1000 partitions is %d bytes, %v", len(text), err)
	}
}

func TestDamagedSummariesAreRefused(t *testing.T) {
	bomb := packed + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 100)))
	for _, c := range []struct{ name, progress, ranges string }{
		{"no JSON", "x", "x"},
		{"no deflated text", bomb, bomb},
		{"no base64", packed + "%", packed + "%"},
		{"negative", `[{"topic":"t","next":{"0":-1}}]`, `[{"topic":"t","first":-1,"next":2}]`},
		{"a source twice, an empty range", `[{"topic":"t","next":{"0":1}},{"topic":"t","next":{"0":1}}]`, `[{"topic":"t","first":2,"next":2}]`},
		{"a number too large, a span outside", `[{"topic":"t","next":{"0":9e99}}]`, `[{"topic":"t","first":2,"next":4,"dead":[1,2]}]`},
		{"a negative partition, half a span", `[{"topic":"t","next":{"-1":1}}]`, `[{"topic":"t","first":2,"next":9,"dead":[1]}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := View{Ancestors: []Snapshot{{ID: 1, Summary: map[string]string{progressKey: c.progress, rangesKey: c.ranges}}}}
			if _, err := v.Progress(); !errors.Is(err, ErrBadSummary) {
				t.Errorf("progress: %v", err)
			}
			if _, err := v.Ancestors[0].Ranges(); !errors.Is(err, ErrBadSummary) {
				t.Errorf("ranges: %v", err)
			}
		})
	}
}

func FuzzSummary(f *testing.F) {
	f.Add(`[{"pipeline":"p","topic":"t","next":{"1":5}}]`)
	f.Add(`{"heads":["h=1",""],"topics":[{"pipeline":"p","topic":"t","eras":{"0":[[-1,1],[5,0]]}}]}`)
	f.Add(`[{"pipeline":"p","topic":"t","first":2,"next":9,"dead":[1,2],"skipped":[0,1],"lost":[6,1]}]`)
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parseProgress(s); err == nil {
			text, err := p.encode()
			if again, err2 := parseProgress(text); err != nil || err2 != nil || !maps.Equal(p, again) {
				t.Errorf("%q: %v, %v", text, err, err2)
			}
		}
		if e, err := parseEras(s); err == nil {
			text, err := e.encode()
			if again, err2 := parseEras(text); err != nil || err2 != nil || !reflect.DeepEqual(e, again) {
				t.Errorf("%q: %v, %v", text, err, err2)
			}
		}
		if r, err := parseRanges(s); err == nil {
			text, nameless, err := encodeRanges(r)
			if nameless != nil {
				return // it has too many tombstones to read back equal
			}
			if again, err2 := parseRanges(text); err != nil || err2 != nil || !reflect.DeepEqual(r, again) {
				t.Errorf("%q: %v, %v", text, err, err2)
			}
		}
	})
}
