package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
)

// TestWhatIsSaidOfAPlanIsWrittenOverItAlone says something else of a complete plan, and then of one in whose place there is another by now, or none.
func TestWhatIsSaidOfAPlanIsWrittenOverItAlone(t *testing.T) {
	made := func(t *testing.T, at Place, id string) *Plan {
		t.Helper()
		w, _, err := NewWriter(t.Context(), at, Title{Base: "x", Source: "source"})
		if err == nil {
			_, err = w.Add(Item{Ref: schemas.Ref{ID: id, URI: "s3://box/" + id}, Size: 3})
		}
		if err == nil {
			err = w.Save(t.Context(), "state of "+id)
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Finish(t.Context(), "first")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	dir := t.TempDir()
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := Place{Store: st}
	p := made(t, at, "a")
	w, state, err := Reopen(t.Context(), at, p)
	if err != nil || string(state) != `"state of a"` {
		t.Fatalf("%s, %v", state, err)
	}
	if _, err := w.Retell(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), at)
	if err != nil || string(got.About) != `"second"` || !got.same(p) || !got.Created.Equal(p.Created) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.Remove(filepath.Join(dir, planName)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Retell(t.Context(), "third"); err == nil || !strings.Contains(err.Error(), ErrNoPlan.Error()) {
		t.Errorf("there is no plan: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, progressName)); err != nil {
		t.Fatal(err)
	}
	other := made(t, at, "b")
	if _, err := w.Retell(t.Context(), "third"); err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("there is another plan: %v", err)
	}
	if got, err := Load(t.Context(), at); err != nil || !got.same(other) || string(got.About) != `"first"` {
		t.Errorf("%+v, %v", got, err)
	}
	if w, state, err := Reopen(t.Context(), at, p); w != nil || state != nil || err != nil {
		t.Errorf("the progress is another plan's: %s, %v", state, err)
	}
}
