package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// scripted is a source that gives items ten at a time, and fails once before it gives the one at a place; 0: never.
type scripted struct {
	items []plan.Item
	fails int
}

// Each implements Source.
func (s *scripted) Each(_ context.Context, state json.RawMessage, give func([]plan.Item, any) error) error {
	at := 0
	if state != nil {
		if err := json.Unmarshal(state, &at); err != nil {
			return err
		}
	}
	for ; at < len(s.items); at += 10 {
		if s.fails > 0 && at >= s.fails {
			s.fails = 0
			return errors.New("cut off")
		}
		if err := give(s.items[at:min(at+10, len(s.items))], at+10); err != nil {
			return err
		}
	}
	return nil
}

// tagged is an item with an entity tag.
func tagged(id, etag string, size int64) plan.Item {
	return plan.Item{Ref: schemas.Ref{ID: id, URI: "s3://box/" + id, ETag: etag}, Size: size}
}

// md5 is like the entity tag of a content.
func md5(n int) string { return fmt.Sprintf("%032x", n) }

func every(*schemas.Ref) bool { return true }

func none(*schemas.Ref) bool { return false }

// TestCopiesAreToldByTheirTags has two items each, of which the second is a copy or not.
func TestCopiesAreToldByTheirTags(t *testing.T) {
	second := "second"
	with := func(it plan.Item, change func(r *schemas.Ref)) plan.Item {
		change(&it.Ref)
		return it
	}
	inline := func(id, text string) plan.Item {
		return plan.Item{Ref: schemas.Ref{ID: id, Inline: []byte(text)}, Size: -1}
	}
	part := func(it plan.Item, off, n int64) plan.Item {
		return with(it, func(r *schemas.Ref) { r.Range = &schemas.ByteRange{Off: off, N: n} })
	}
	a := tagged("a", md5(1), 5)
	for name, c := range map[string]struct {
		a, b plan.Item
		want Copied
	}{
		"of one part":                {a, tagged("b", md5(1), 5), Copied{Within: 1}},
		"with quotes":                {a, tagged("b", `"`+md5(1)+`"`, 5), Copied{Within: 1}},
		"of another size":            {a, tagged("b", md5(1), 6), Copied{}},
		"of another content":         {a, tagged("b", md5(2), 5), Copied{}},
		"of the same parts":          {tagged("a", md5(1)+"-3", 5), tagged("b", md5(1)+"-3", 5), Copied{Within: 1, Untold: 1}},
		"of other parts":             {a, tagged("b", md5(1)+"-3", 5), Copied{Untold: 1}},
		"of a store that counts":     {tagged("a", "17", 5), tagged("b", "17", 5), Copied{Untold: 2}},
		"without tags":               {tagged("a", "", 5), tagged("b", "", 5), Copied{Untold: 2}},
		"inline":                     {inline("a", "x"), inline("b", "x"), Copied{Within: 1}},
		"inline, others":             {inline("a", "x"), inline("b", "y"), Copied{}},
		"the same part":              {part(a, 0, 5), part(tagged("b", md5(1), 5), 0, 5), Copied{Within: 1}},
		"another part":               {part(a, 0, 5), part(tagged("b", md5(1), 5), 5, 5), Copied{}},
		"with another text beside":   {a, with(tagged("b", md5(1), 5), func(r *schemas.Ref) { r.TextPair = &second }), Copied{}},
		"of another modality":        {a, with(tagged("b", md5(1), 5), func(r *schemas.Ref) { r.Modality = schemas.Image }), Copied{}},
		"of which one is a deletion": {a, with(tagged("b", "", 0), func(r *schemas.Ref) { r.Deleted = true }), Copied{}},
		"for another pipeline":       {a, tagged("other", md5(1), 5), Copied{}},
		"of which one is no line":    {a, plan.Item{Raw: "{"}, Copied{}},
	} {
		t.Run(name, func(t *testing.T) {
			copies := NewCopies(every, none)
			defer copies.Close()
			d, err := draft(t, place(t), &scripted{items: []plan.Item{c.a, c.b}}, MakeOptions{Copies: copies, For: func(r *schemas.Ref) string { return r.ID[:min(len(r.ID)/2, 1)] }})
			if err != nil || *d.Copied != c.want {
				t.Errorf("%+v, want %+v; %v", d.Copied, c.want, err)
			}
		})
	}
}

// TestAPlanThatWasInterruptedHasTheSameCopies counts them whole and with an interruption, with contents that outputs have, and items that nobody reuses results for.
func TestAPlanThatWasInterruptedHasTheSameCopies(t *testing.T) {
	var items []plan.Item
	for i := range 100 {
		items = append(items, tagged(fmt.Sprint("t", i), md5(i%40), 5))
	}
	items = append(items, plan.Item{Raw: "no reference"}, tagged("alone", md5(0), 5))
	reuses := func(r *schemas.Ref) bool { return r.ID != "alone" }
	known := func(r *schemas.Ref) bool { return strings.HasSuffix(r.ETag, "5") && r.ETag[30] == '0' } // of 5 of 40 contents: 5
	want := Copied{}
	seen := map[string]bool{}
	for _, it := range items[:100] {
		switch {
		case known(&it.Ref):
			want.Outputs++
		case seen[it.Ref.ETag]:
			want.Within++
		}
		seen[it.Ref.ETag] = true
	}
	for _, fails := range []int{0, 10, 60, 90} {
		at, src := place(t), &scripted{items, fails}
		var d *Draft
		err := errors.New("not begun")
		for tries := 0; err != nil && tries < 2; tries++ {
			copies := NewCopies(reuses, known)
			d, err = draft(t, at, src, MakeOptions{Copies: copies})
			copies.Close()
		}
		if err != nil || *d.Copied != want || want.Outputs == 0 || want.Within == 0 {
			t.Errorf("cut off at %d: %+v, want %+v; %v", fails, d.Copied, want, err)
		}
	}
}

// TestTheTimeIsWithoutCopies has a corpus of 400 items: 100 contents one after the other, four times. The results of one take 1000 bytes with what they take beside.
func TestTheTimeIsWithoutCopies(t *testing.T) {
	var items []plan.Item
	for i := range 400 {
		items = append(items, tagged(fmt.Sprint("t", i), md5(i%100), int64(1+i%100)))
	}
	copies := NewCopies(every, none)
	defer copies.Close()
	d, err := draft(t, place(t), &scripted{items: items}, MakeOptions{Copies: copies, Sample: 400})
	if err != nil {
		t.Fatal(err)
	}
	probe := func(_ context.Context, it *plan.Item) (Extent, error) { return Extent{Bytes: it.Size}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		n := len(items)
		return Tried{Items: n, Rows: int64(n), RowBytes: int64(n) * (1000 - resultBytes), Wall: time.Duration(n) * time.Second, CPU: time.Duration(n) * time.Second, Work: slices.Repeat([]float64{1}, n)}, nil
	}
	for _, c := range []struct {
		reuse     int64
		machines  int
		low, high float64
		wall      float64
	}{
		{0, 1, 0, 0, 400},
		{1000 * 400, 1, 300, 300, 100},
		{1000 * 128, 1, 300, 300, 100}, // what lies between two of the same is kept
		{1000 * 60, 1, 0, 300, 400},
		{1000 * 400, 2, 0, 300, 200}, // each for itself
	} {
		for _, stated := range []*Rate{nil, {PerSecond: 1, Unit: Objects}} {
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: time.Hour, AtOnce: 50, Machines: c.machines, Reuse: c.reuse, Stated: stated})
			if err != nil {
				t.Fatal(err)
			}
			if e.Copies.Low != c.low || e.Copies.High != c.high || e.Copies.Value != c.low || math.Abs(e.Wall.Value/c.wall-1) > 0.01 || math.Abs(e.Rows-400) > 1 || e.Items != 400 {
				t.Errorf("%+v: %+v copies, %+v s, %.0f rows", c, e.Copies, e.Wall, e.Rows)
			}
		}
	}
}

// TestCopiesTakeWhatFetchingAndWritingThemTakes has 1000 references of 100 contents, a second each, and copies of 10 ms. On several machines those of outputs alone are sure.
func TestCopiesTakeWhatFetchingAndWritingThemTakes(t *testing.T) {
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{Bytes: 100}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		tr := Tried{Items: len(items), Work: ones(len(items))}
		for i := range items {
			if items[i].Ref.ID == "0" { // it has no rows to give
				tr.Failed, tr.Work[i] = 1, 0
			}
		}
		tr.Wall = time.Second * time.Duration(len(items))
		tr.CPU = 2 * tr.Wall
		return tr, nil
	}
	for _, c := range []struct {
		name            string
		outputs, within int64
		machines        int
		stated          *Rate
		wall, cpu       float64
	}{
		{"none", 0, 0, 1, nil, 1000, 2000},
		{"in the plan", 0, 900, 1, nil, 100 + 9, 200 + 27},
		{"in outputs", 900, 0, 1, nil, 100 + 9, 200 + 27},
		{"shared by machines", 400, 500, 2, nil, (600 + 4) / 2.0, 1200 + 12},
		{"at a stated rate", 0, 900, 1, &Rate{1, Objects}, 100, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Draft{Counts: Counts{Planned: 1000, Copied: &Copied{Outputs: c.outputs, Within: c.within}}}
			for i := range 20 {
				d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
			}
			d.near[0] = c.within
			given := 0
			give := func(_ context.Context, items []plan.Item) (Tried, error) {
				given += len(items)
				for i := range items {
					if items[i].Ref.ID == "0" {
						t.Error("one that could not be computed is given")
					}
				}
				took := 10 * time.Millisecond * time.Duration(len(items))
				return Tried{Items: len(items), Wall: took, CPU: 3 * took}, nil
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Image, For: time.Hour, AtOnce: 5, Machines: c.machines, Reuse: 1 << 30, Give: give, Stated: c.stated})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(e.Wall.Value-c.wall) > 1e-6 || math.Abs(e.CPU.Value-c.cpu) > 1e-6 || e.Wall.Low > e.Wall.Value || e.Wall.High < e.Wall.Value {
				t.Errorf("wall %+v, CPU %+v, want %v and %v", e.Wall, e.CPU, c.wall, c.cpu)
			}
			if (given > 0) != (c.outputs+c.within > 0 && c.stated == nil) {
				t.Errorf("%d are given", given)
			}
		})
	}
}
