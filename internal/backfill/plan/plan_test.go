package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
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

var title = Title{Name: "x", Source: "s3://box/"}

func item(n int) Item {
	return Item{Ref: schemas.Ref{ID: fmt.Sprint("ü-", n), URI: fmt.Sprintf("s3://box/%d", n), ETag: fmt.Sprint(n)}, Size: int64(n) - 1}
}

func writer(t *testing.T, at Place) (*Writer, string) {
	t.Helper()
	w, state, err := NewWriter(t.Context(), at, title)
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
	if _, _, err := NewWriter(t.Context(), at, title); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a complete plan is begun again: %v", err)
	}
}

func TestAPlanOfAnotherSourceIsNotGoneOnWith(t *testing.T) {
	at := place(t)
	w, _ := writer(t, at)
	if err := w.Save(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewWriter(t.Context(), at, Title{Name: "x", Source: "s3://other/"}); err == nil || !strings.Contains(err.Error(), "s3://box/") {
		t.Errorf("got %v", err)
	}
}

func TestADamagedPlanIsRefused(t *testing.T) {
	spoil := func(file, old, with string) func(t *testing.T, at Place) {
		return func(t *testing.T, at Place) {
			if names, err := at.Store.List(t.Context(), at.name(file), ""); err == nil && len(names) == 1 { // of a part, the beginning of its name
				file = path.Base(names[0])
			}
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
		"a changed part":     {spoil("part-000000000000-", "PAR1", "PAR2"), "changed or damaged"},
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

// TestOfTwoPlannersOfAPlaceOneFinishes has a planner that was taken for dead, and the one in its place. Both go on at what the first had saved, with other references at the same offsets, and write their progress over each
// other's. Who is second is refused, and the first one's plan stays what it was, whatever the second had written by then.
func TestOfTwoPlannersOfAPlaceOneFinishes(t *testing.T) {
	for _, secondSavesLast := range []bool{false, true} {
		at := place(t)
		dead, _ := writer(t, at)
		add(t, dead, 0, 5)
		if err := dead.Save(t.Context(), "five"); err != nil {
			t.Fatal(err)
		}
		first, _ := writer(t, at)
		add(t, first, 5, 9)
		for n := range 4 {
			if _, err := dead.Add(item(100 + n)); err != nil {
				t.Fatal(err)
			}
		}
		save := []*Writer{dead, first}
		if secondSavesLast {
			save = []*Writer{first, dead}
		}
		for _, w := range save {
			if err := w.Save(t.Context(), "nine"); err != nil {
				t.Fatal(err)
			}
		}
		add(t, first, 9, 12)
		p, err := first.Finish(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			if _, err := dead.Add(item(200 + n)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := dead.Finish(t.Context(), nil); !errors.Is(err, ErrFinished) || !strings.Contains(err.Error(), "at plans/x; it is the one to run") {
			t.Errorf("the second one finishes: %v", err)
		}
		got, err := Load(t.Context(), at)
		if err != nil || got.Items != 12 || len(got.Parts) != 3 || got.Parts[1] != p.Parts[1] || got.Parts[2] != p.Parts[2] {
			t.Fatalf("%+v, %v", got, err)
		}
		r := NewReader(at, got)
		for n := range int64(12) {
			if text, err := r.Ref(t.Context(), n); err != nil || !strings.Contains(text, fmt.Sprintf(`"s3://box/%d"`, n)) {
				t.Errorf("reference %d is %s, %v", n, text, err)
			}
		}
	}
}

// TestWhatAnOlderPlannerSavedIsGoneOnWith has who takes over begin at what the one that was taken for dead saved last.
func TestWhatAnOlderPlannerSavedIsGoneOnWith(t *testing.T) {
	at := place(t)
	dead, _ := writer(t, at)
	add(t, dead, 0, 5)
	first, _ := writer(t, at)
	for n := range 7 {
		if _, err := first.Add(item(50 + n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []*Writer{first, dead} {
		if err := w.Save(t.Context(), fmt.Sprint(w.Items())); err != nil {
			t.Fatal(err)
		}
	}
	last, state := writer(t, at)
	if state != `"5"` {
		t.Fatalf("state %s", state)
	}
	add(t, last, 5, 6)
	if _, err := last.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), at)
	if err != nil || l.Len() != 6 {
		t.Fatal(l, err)
	}
	next, err := l.From(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		if ref, err := next(); err != nil || !strings.Contains(string(ref), fmt.Sprintf(`"s3://box/%d"`, n)) {
			t.Errorf("reference %d is %s, %v", n, ref, err)
		}
	}
}

// TestAPlanThatAnEarlierBuildBeganIsFinished has a part whose name does not say its content, and a source that is told in fewer words, which it keeps.
func TestAPlanThatAnEarlierBuildBeganIsFinished(t *testing.T) {
	at := place(t)
	w, _ := writer(t, at)
	add(t, w, 0, 3)
	if err := w.Save(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	part, plain := w.plan.Parts[0].Name, "part-000000000000.parquet"
	body, err := at.read(t.Context(), part)
	if err == nil {
		err = at.Store.Put(t.Context(), at.name(plain), body, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if body, err = at.read(t.Context(), progressName); err == nil {
		err = at.Store.Put(t.Context(), at.name(progressName), []byte(strings.ReplaceAll(string(body), part, plain)), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	another := errors.New("another")
	now := Title{Name: title.Name, Source: title.Source + " by a", Same: func(begun string) error {
		if begun != title.Source {
			t.Errorf("asked about %s", begun)
		}
		return another
	}}
	if _, _, err := NewWriter(t.Context(), at, now); !errors.Is(err, another) || !strings.Contains(err.Error(), "a plan named x was begun at plans/x: another") {
		t.Errorf("got %v", err)
	}
	another = nil
	w, state, err := NewWriter(t.Context(), at, now)
	if err != nil || string(state) != "3" {
		t.Fatalf("state %s, %v", state, err)
	}
	add(t, w, 3, 5)
	p, err := w.Finish(t.Context(), nil)
	if err != nil || p.Source != title.Source || p.Parts[0].Name != plain || p.Parts[1].First != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	if text, err := NewReader(at, p).Ref(t.Context(), 1); err != nil || !strings.Contains(text, `"s3://box/1"`) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestAPlanWithoutANameHasOneThatNoOtherPlanHas, for as long as it is the same plan: one that is begun anew at the same place has another.
func TestAPlanWithoutANameHasOneThatNoOtherPlanHas(t *testing.T) {
	at, nameless, seen := place(t), Title{Base: "calls", Source: "s3://box/"}, map[string]bool{}
	for range 3 {
		begun, _, err := NewWriter(t.Context(), at, nameless)
		if err != nil {
			t.Fatal(err)
		}
		add(t, begun, 0, 3)
		if err := begun.Save(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		w, _, err := NewWriter(t.Context(), at, nameless)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := NewWriter(t.Context(), at, Title{Name: "calls", Source: "s3://box/"}); err == nil || !strings.Contains(err.Error(), "a plan named calls-") {
			t.Errorf("under another name: %v", err)
		}
		p, err := w.Finish(t.Context(), nil)
		if err != nil || p.Name != begun.plan.Name || len(p.Name) != len("calls-")+8 || !strings.HasPrefix(p.Name, "calls-") || seen[p.Name] {
			t.Fatalf("%+v, %v; begun as %s", p, err, begun.plan.Name)
		}
		seen[p.Name] = true
		at.Prefix += "-anew"
	}
}

// TestAListOfFilesIsFoundByItsNumber keeps two, and damages one.
func TestAListOfFilesIsFoundByItsNumber(t *testing.T) {
	at := place(t)
	lists := map[int64]Files{}
	for _, etag := range []string{"one", "two"} {
		f := Files{"text uri", []File{{"a.parquet", 7, etag}, {"b/ü.parquet", 8, etag}}}
		number, err := KeepFiles(t.Context(), at, f)
		if err != nil || number < 0 {
			t.Fatal(number, err)
		}
		if again, err := KeepFiles(t.Context(), at, f); err != nil || again != number {
			t.Errorf("kept again under %d, %v; want %d", again, err, number)
		}
		lists[number] = f
	}
	for number, want := range lists {
		if got, err := KeptFiles(t.Context(), at, number); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if err := at.Store.Put(t.Context(), at.name(filesName(number)), []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := KeptFiles(t.Context(), at, number); err == nil || !strings.Contains(err.Error(), "changed or damaged") {
			t.Errorf("a damaged one: %v", err)
		}
	}
	if len(lists) != 2 {
		t.Error("two lists have one number")
	}
}

// TestWhatCannotBeWrittenIsNamedOnce has a file where the plan's directory should be.
func TestWhatCannotBeWrittenIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := Place{Store: st, Prefix: "p"}
	w, _, err := NewWriter(t.Context(), at, Title{Name: "n", Source: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(Item{Ref: schemas.Ref{ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	_, settled := Settle(t.Context(), at, Settled{})
	for name, err := range map[string]error{
		"part-":     w.Save(t.Context(), nil),
		"took-":     (&Took{}).Save(t.Context(), at, "p/took-1.json"),
		SettledName: settled,
	} {
		if err == nil || strings.Count(err.Error(), " p/"+name) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
