package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
)

func place(t *testing.T) Place {
	t.Helper()
	st, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return Place{Store: st, Prefix: "plans/x"}
}

func item(n int) Item {
	return Item{Ref: schemas.Ref{ID: fmt.Sprint("ü-", n), URI: fmt.Sprintf("s3://box/%d", n), ETag: fmt.Sprint(n)}, Size: int64(n) - 1}
}

func writer(t *testing.T, at Place) (*Writer, string) {
	t.Helper()
	w, state, err := NewWriter(t.Context(), at, "x", "s3://box/")
	if err != nil {
		t.Fatal(err)
	}
	return w, string(state)
}

func add(t *testing.T, w *Writer, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if at, err := w.Add(item(n)); err != nil || at != int64(n) {
			t.Fatalf("offset %d, %v; want %d", at, err, n)
		}
	}
}

// TestAPlanThatWasInterruptedGoesOnWhereItWasSaved loses what was added behind the last Save, as a killed process does, even where its part was written.
func TestAPlanThatWasInterruptedGoesOnWhereItWasSaved(t *testing.T) {
	at := place(t)
	w, state := writer(t, at)
	if state != "" {
		t.Errorf("a new plan has state %s", state)
	}
	add(t, w, 0, 7)
	if err := w.Save(t.Context(), "seven"); err != nil {
		t.Fatal(err)
	}
	add(t, w, 7, 9)
	if err := w.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), at); !errors.Is(err, ErrNoPlan) {
		t.Fatalf("an unfinished plan loads: %v", err)
	}
	w, state = writer(t, at)
	if state != `"seven"` || w.Items() != 7 {
		t.Fatalf("went on with state %s, %d items", state, w.Items())
	}
	add(t, w, 7, 20)
	p, err := w.Finish(t.Context(), map[string]int{"hours": 3})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), at)
	if err != nil || got.Items != 20 || len(got.Parts) != 2 || got.Bytes != 171 || !json.Valid(got.About) || got.Parts[1] != p.Parts[1] {
		t.Fatalf("%+v, %v", got, err)
	}
	r := NewReader(at, got)
	for _, n := range []int{0, 6, 7, 19, 3} {
		text, err := r.Ref(t.Context(), int64(n))
		if err != nil {
			t.Fatal(err)
		}
		ref, err := schemas.ParseRef([]byte(text))
		if want := item(n).Ref; err != nil || ref.ID != want.ID || ref.URI != want.URI || ref.ETag != want.ETag {
			t.Errorf("reference %d: %+v, %v", n, ref, err)
		}
	}
	for _, n := range []int64{-1, 20} {
		if _, err := r.Ref(t.Context(), n); err == nil {
			t.Errorf("there is a reference %d", n)
		}
	}
	if _, _, err := NewWriter(t.Context(), at, "x", "s3://box/"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a complete plan is begun again: %v", err)
	}
}

func TestAPlanOfAnotherSourceIsNotGoneOnWith(t *testing.T) {
	at := place(t)
	w, _ := writer(t, at)
	if err := w.Save(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewWriter(t.Context(), at, "x", "s3://other/"); err == nil || !strings.Contains(err.Error(), "s3://box/") {
		t.Errorf("got %v", err)
	}
}

func TestADamagedPlanIsRefused(t *testing.T) {
	spoil := func(file, old, with string) func(t *testing.T, at Place) {
		return func(t *testing.T, at Place) {
			body, err := at.read(t.Context(), file)
			if err == nil {
				err = at.Store.Put(t.Context(), at.name(file), []byte(strings.Replace(string(body), old, with, 1)), "")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, at Place)
		want  string
	}{
		"another version":    {spoil(planName, `"version": 1`, `"version": 9`), "version 9"},
		"a part is left out": {spoil(planName, `"first": 0`, `"first": 5`), "expected at 0"},
		"another count":      {spoil(planName, `"items": 3`, `"items": 4`), "references, not 4"},
		"no JSON":            {spoil(planName, `{`, `[`), "plan.json"},
		"a changed part":     {spoil("part-000000000000.parquet", "PAR1", "PAR2"), "changed or damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			at := place(t)
			w, _ := writer(t, at)
			add(t, w, 0, 3)
			if _, err := w.Finish(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, at)
			p, err := Load(t.Context(), at)
			if err == nil {
				_, err = NewReader(at, p).Ref(t.Context(), 0)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
