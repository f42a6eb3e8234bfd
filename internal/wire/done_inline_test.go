package wire

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill/ledger"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestTextsOfATableAreNotComputedTwice plans a table again under other names: what changed is left, what has another id, and what has something else beside it.
func TestTextsOfATableAreNotComputedTwice(t *testing.T) {
	l := newLake(t, 0)
	list := filepath.Join(t.TempDir(), "said.csv")
	texts := map[string]string{"a": "one two", "b": "three", "c": "one two", "d": "four"}
	plan := func(name string, items, known int64, pair string) {
		t.Helper()
		table := strings.Builder{}
		table.WriteString("id,inline_text,text_pair\n")
		for _, id := range slices.Sorted(maps.Keys(texts)) {
			fmt.Fprintf(&table, "%s,%s,%s\n", id, texts[id], pair)
		}
		if err := os.WriteFile(list, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := l.plan(t, name, PlanOptions{Source: list}); p.Items != items || p.Known != known {
			t.Errorf("%s: %+v, want %d items and %d known", name, p.Counts, items, known)
		}
	}
	plan("first", 4, 0, "")
	if s := l.run(t, "first"); s.Stream.Computed != 4 || len(s.Stream.Dead) != 0 {
		t.Fatalf("%+v", s.Stream)
	}
	plan("same", 0, 4, "")
	texts["b"] = "three and more"
	plan("changed", 1, 3, "")
	texts["b"] = texts["a"] // what another id has
	plan("moved", 1, 3, "")
	texts["b"], texts["e"] = "three", "four"
	plan("one more", 1, 4, "")
	plan("beside", 5, 0, "five")
}

// TestInlineDataOfAnyModalityIsKnown has pictures of a store and inline ones in one file, of which the latter are told apart by columns that the former do not need, unless ids count.
func TestInlineDataOfAnyModalityIsKnown(t *testing.T) {
	for _, c := range []struct {
		modality schemas.Modality
		byID     bool
	}{{schemas.Image, false}, {schemas.Text, false}, {schemas.Image, true}} {
		store, cfg := sinktest.NewMemStore(), parquetsink.NewDefaultConfig()
		cfg.Store, cfg.Tasks = store, schemas.Tasks()
		sink, err := parquetsink.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		src := schemas.SourceID{Pipeline: "p", Topic: "t"}
		if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
			t.Fatal(err)
		}
		r, rows := sinktest.Make(src, 0, 30)
		options, kinds, want := []string{}, []ledger.Kind{}, map[ledger.Work]bool{}
		for i := range rows {
			row := &rows[i]
			kind := ledger.Kind{Pipeline: "p", Model: row.ModelDigest, Preprocess: row.PreprocessDigest, Head: row.Head, Options: "o"}
			w := ledger.Work{Kind: kind, URI: row.URI, ETag: "e"}
			row.ETag = w.ETag
			switch i % 3 {
			case 1:
				row.URI, row.ETag = schemas.InlinePlace, ""
				w.URI, w.ETag = "inline:"+row.RefID, "sha256:"+row.ContentHash
			case 2: // of a store without entity tags
				row.ETag, w.ETag = "", "sha256:"+row.ContentHash
			}
			if c.byID {
				w.URI += "\x00" + row.RefID
			}
			want[w] = i%3 != 2
			options, kinds = append(options, row.Head+"=o"), append(kinds, kind)
		}
		if err := sink.Write(t.Context(), r, rows, func(error) {}); err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		names, err := store.List(t.Context(), "", "")
		if err != nil || len(names) == 0 {
			t.Fatal(names, err)
		}
		m := &loadedModel{spec: &model.Spec{Modality: c.modality}}
		d := &doneWorks{takers: takers{&config.Config{Pipelines: []config.Pipeline{{Name: "p"}}}, []*loadedModel{m}, nil}, set: ledger.NewSet(kinds), byID: c.byID}
		for _, name := range names {
			if err := d.file(t.Context(), store, name, notedFile{heads: strings.Join(options, ",")}, &noted{}, 0); err != nil {
				t.Fatal(err)
			}
		}
		for w, known := range want {
			if d.set.Has(&w) != known {
				t.Errorf("%+v: %+v: known is %v", c, w, !known)
			}
		}
	}
}
