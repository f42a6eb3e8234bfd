package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// clips are references with so many bytes of inline data each. They come ten at a time, with two seconds between, so that each ten are saved; the reading ends with an error behind so many, if that is not 0.
type clips struct{ n, bytes, cut int }

func (c clips) line(n int) []byte {
	return fmt.Appendf(nil, `{"v":1,"id":"clip %d","inline":"%s"}`, n, strings.Repeat(fmt.Sprintf("%04d", n), c.bytes/3))
}

func (c clips) Each(_ context.Context, state json.RawMessage, give func([]plan.Item, any) error) error {
	n := 0
	if state != nil {
		if err := json.Unmarshal(state, &n); err != nil {
			return err
		}
	}
	for n < c.n {
		if n == c.cut && n > 0 {
			return errors.New("cut off")
		}
		var items []plan.Item
		for range 10 {
			items = append(items, itemOf(c.line(n)))
			n++
		}
		time.Sleep(2 * time.Second)
		if err := give(items, n); err != nil {
			return err
		}
	}
	return nil
}

// savedState is what progress.json has of its maker, and how large it is as a whole.
func savedState(t *testing.T, at plan.Place) (d drafting, size int) {
	t.Helper()
	const name = "x/progress.json"
	about, err := at.Store.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	body, err := at.Store.Read(t.Context(), name, 0, about.Size)
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ State drafting }
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	return p.State, len(body)
}

// begun makes a plan as far as src goes, and does not finish it.
func begun(t *testing.T, at plan.Place, src Source) (*Draft, *plan.Writer, error) {
	t.Helper()
	w, state, err := plan.NewWriter(t.Context(), at, plan.Title{Name: "x", Source: "source"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Make(t.Context(), w, state, src, MakeOptions{Sample: 40, Seed: 4})
	return d, w, err
}

// TestInlineDataIsSavedOnce plans clips that come in their references, in one go, cut off, and cut off behind the last of them. The progress has what identifies those of the sample, and the sample is the same.
func TestInlineDataIsSavedOnce(t *testing.T) {
	const n, size = 160, 30 << 10
	synctest.Test(t, func(t *testing.T) {
		at := place(t)
		want, _, err := begun(t, at, clips{n, size, 0})
		if err != nil || len(want.Sample) != 40 {
			t.Fatal(want, err)
		}
		small := func() {
			t.Helper()
			if d, size := savedState(t, at); size > 16<<10 || len(d.Sample) != 40 {
				t.Errorf("progress.json has %d bytes with a sample of %d", size, len(d.Sample))
			}
		}
		same := func(what string) {
			t.Helper()
			got, w, err := begun(t, at, clips{n, size, 0})
			if err == nil {
				err = got.Recall(t.Context(), w)
			}
			if err != nil || !reflect.DeepEqual(got.Sample, want.Sample) {
				t.Errorf("%s: the sample is another one: %v", what, err)
			}
		}
		small()
		same("cut off behind the last of them")

		at = place(t)
		if _, _, err := begun(t, at, clips{n, size, 120}); err == nil {
			t.Fatal("it was not cut off")
		}
		small()
		d, _ := savedState(t, at)
		old := earlier(t, at, d, clips{n, size, 0})
		same("cut off")
		if err := at.Store.Put(t.Context(), "x/progress.json", old, ""); err != nil {
			t.Fatal(err)
		}
		same("begun by an earlier build")
	})
}

// earlier is what a build before this one would have saved in place of a progress: with the references.
func earlier(t *testing.T, at plan.Place, d drafting, src clips) []byte {
	t.Helper()
	for i := range d.Sample {
		p := &d.Sample[i]
		ref, err := schemas.ParseRef(src.line(int(*p.At)))
		if err != nil {
			t.Fatal(err)
		}
		p.Ref, p.At = &ref, nil
	}
	about, err := at.Store.Stat(t.Context(), "x/progress.json")
	if err != nil {
		t.Fatal(err)
	}
	body, err := at.Store.Read(t.Context(), "x/progress.json", 0, about.Size)
	var p map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	if err == nil {
		p["state"], err = json.Marshal(d)
	}
	if err == nil {
		body, err = json.Marshal(p)
	}
	if err != nil || !strings.Contains(string(body), `"inline"`) {
		t.Fatal("no progress of an earlier build", err)
	}
	return body
}

// TestLongRowsAreGivenInSmallPieces has a list and a table whose rows are long: a thousand of them would be one part of the plan.
func TestLongRowsAreGivenInSmallPieces(t *testing.T) {
	row := string(clips{bytes: 1 << 20}.line(0))
	long := longRows{values: slices.Repeat(values{row}, 20)}
	for name, src := range map[string]Source{
		"a list":  Lines{long},
		"a table": &Table{AtOnce: 1, Open: func(context.Context, *int64) (Frozen, error) { return long, nil }},
	} {
		rows, most := 0, 0
		if err := src.Each(t.Context(), nil, func(items []plan.Item, _ any) error {
			rows, most = rows+len(items), max(most, len(items))
			return nil
		}); err != nil || rows != 20 || most > 8 {
			t.Errorf("%s: %d rows, %d at once; %v", name, rows, most, err)
		}
	}
}

// longRows are a table of one file.
type longRows struct{ values }

func (longRows) Snapshot() *int64 { return nil }

func (longRows) Files() []string { return []string{"a"} }

func (l longRows) Values(_ context.Context, _ string, behind int64, each func([]byte) error) error {
	for _, v := range l.values[behind:] {
		if err := each([]byte(v)); err != nil {
			return err
		}
	}
	return nil
}
