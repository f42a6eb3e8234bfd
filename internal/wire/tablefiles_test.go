package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
	"vecmill/stream/manifestsource"
)

// planned are the ids of a plan's references, and what it says of rows that are none.
func (l *lake) planned(t *testing.T, name string) (all []string) {
	t.Helper()
	for _, value := range l.references(t, name, -1) {
		ref, err := schemas.ParseRef(value)
		if err != nil {
			all = append(all, strings.TrimPrefix(errors.Unwrap(err).Error(), "reference: "))
			continue
		}
		all = append(all, ref.ID)
	}
	return all
}

// tableOf is the files of a table, by their names beneath it, and the ids that a plan of it has.
func tableOf(t *testing.T) (files map[string]string, ids []string) {
	t.Helper()
	files = map[string]string{
		"_SUCCESS": "", "_temporary/0/part-9.parquet": "x", ".part-0.parquet.crc": "x", "day=1/.hidden.csv": "x", "README.md": "x",
		"day=1/part-0.parquet": columnar(t, []string{"said", "who"}, [][]string{{"Will it rain?", "a"}, {"Will it snow?", "b"}}),
		"day=1/part-1.parquet": columnar(t, []string{"who", "said"}, nil),
		"day=2/part-0.csv":     "said\nIs it warm?\n\nIs it \"cold\n",
		"day=2/part-1.parquet": columnar(t, []string{"said"}, [][]string{{"Is it dry?"}}),
	}
	return files, []string{"calls/day=1/part-0.parquet#0", "calls/day=1/part-0.parquet#1", "calls/day=2/part-0.csv#0", "", "calls/day=2/part-1.parquet#0"}
}

// TestATableOfSeveralFilesIsPlannedInTheOrderOfTheirNames has one in a bucket and in a directory, of files that readers of a lake pass over and of files that they read.
func TestATableOfSeveralFilesIsPlannedInTheOrderOfTheirNames(t *testing.T) {
	l := newLake(t, 0)
	files, ids := tableOf(t)
	dir := filepath.Join(t.TempDir(), "calls")
	for name, body := range files {
		l.put(t, "lake #50%20?/calls/"+name, body)
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, source := range map[string]string{"bucket": "s3://box/lake #50%20?/calls/", "prefix": "s3://box/lake #50%20?/calls", "directory": dir, "slash": dir + "/"} {
		p := l.plan(t, name, PlanOptions{Source: source, Columns: map[string]string{"inline_text": "said"}, Again: true})
		got := l.planned(t, name)
		if ids[3] = "line 4 of " + strings.TrimSuffix(source, "/") + "/day=2/part-0.csv: "; len(got) == 5 && strings.HasPrefix(got[3], ids[3]) {
			got[3] = ids[3]
		}
		if !slices.Equal(got, ids) || p.Files == nil || p.Snapshot != nil {
			t.Errorf("%s: %q, want %q", name, got, ids)
		}
	}
	if s := l.run(t, "bucket").Stream; s.Computed != 4 || s.Dead[schemas.ReasonSchema] != 1 {
		t.Errorf("%+v", s)
	}
	if p := l.plan(t, "again", PlanOptions{Source: "s3://box/lake #50%20?/calls/", Columns: map[string]string{"inline_text": "said"}}); p.Items != 1 || p.Known != 4 {
		t.Errorf("when it is computed: %+v", p.Counts)
	}
}

// TestATableOfSeveralFilesIsReadAsItWasWhenItsPlanWasBegun cuts plans off behind each of their files, and changes, removes and adds files then.
func TestATableOfSeveralFilesIsReadAsItWasWhenItsPlanWasBegun(t *testing.T) {
	part := func(i int) string {
		return columnar(t, []string{"uri"}, [][]string{{fmt.Sprintf("s3://box/texts/%d-0", i)}, {fmt.Sprintf("s3://box/texts/%d-1", i)}})
	}
	cut := errors.New("cut off")
	for name, c := range map[string]struct {
		between func(t *testing.T, l *lake)
		want    string
	}{
		"nothing happens":       {func(*testing.T, *lake) {}, ""},
		"a file comes":          {func(t *testing.T, l *lake) { l.put(t, "table/part-2a.parquet", part(7)) }, ""},
		"a file is read":        {func(t *testing.T, l *lake) { l.put(t, "table/part-0.parquet", part(7)) }, ""},
		"a file is put again":   {func(t *testing.T, l *lake) { l.put(t, "table/part-3.parquet", part(3)) }, ""},
		"another file is there": {func(t *testing.T, l *lake) { l.put(t, "table/part-3.parquet", part(7)) }, "s3://box/table/part-3.parquet: it was changed since"},
		"a file is gone": {func(t *testing.T, l *lake) {
			if _, err := l.backend.DeleteObject("box", "table/part-3.parquet"); err != nil {
				t.Fatal(err)
			}
		}, "s3://box/table/part-3.parquet: it was changed since"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 0)
			want := map[string]bool{}
			for i := range 4 {
				l.put(t, fmt.Sprintf("table/part-%d.parquet", i), part(i))
				want[fmt.Sprintf("s3://box/texts/%d-0", i)], want[fmt.Sprintf("s3://box/texts/%d-1", i)] = true, true
			}
			o := PlanOptions{Source: "s3://box/table/", Columns: map[string]string{"uri": "uri"}, Listers: 1}
			at := &stores{cfg: l.conf}
			var err error
			if o.place, err = planPlace(t.Context(), at, filepath.Join(l.out, "plan")); err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			var state json.RawMessage
			each := func(files int) error {
				src, err := filesTable(at, &o)
				if err != nil {
					t.Fatal(err)
				}
				return src.Each(t.Context(), state, func(items []plan.Item, at any) (err error) {
					if files--; files < 0 {
						return cut
					}
					for i := range items {
						if got[items[i].Ref.ID] {
							t.Errorf("%s is planned twice", items[i].Ref.ID)
						}
						got[items[i].Ref.ID] = true
					}
					state, err = json.Marshal(at)
					return err
				})
			}
			if err := each(2); !errors.Is(err, cut) || len(got) != 4 {
				t.Fatalf("%v, %v", got, err)
			}
			c.between(t, l)
			err = each(4)
			if c.want == "" && (err != nil || !maps.Equal(got, want)) {
				t.Errorf("planned are %v, want %v: %v", got, want, err)
			}
			if c.want != "" && (!errors.Is(err, manifestsource.ErrChanged) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestATableThatIsNoneSaysWhy has files that do not go together, and directories that are not a table's alone.
func TestATableThatIsNoneSaysWhy(t *testing.T) {
	uri, both := columnar(t, []string{"uri"}, [][]string{{"s3://box/a"}}), columnar(t, []string{"uri", "etag"}, [][]string{{"s3://box/a", "e"}})
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":               {map[string]string{"_SUCCESS": "", "notes.txt": ""}, "s3://box/table/: it has no file that ends in .parquet, .csv or .tsv"},
		"columns that disagree": {map[string]string{"a.parquet": uri, "b.parquet": both}, "s3://box/table/b.parquet: it has the columns text etag, text uri, and a.parquet has text uri"},
		"a column is lacking":   {map[string]string{"a.parquet": uri, "b.csv": "url\nx\n"}, "s3://box/table/b.csv: it has no column uri for uri"},
		"a file that is none":   {map[string]string{"a.parquet": uri, "b.parquet": "x"}, "s3://box/table/b.parquet: "},
		"a packed file":         {map[string]string{"a.csv.gz": "x"}, "s3://box/table/: a.csv.gz is packed"},
		"a log":                 {map[string]string{"_delta_log/0.json": "{}", "a.parquet": uri}, "it has _delta_log, which says which of its files count"},
		"another catalog's":     {map[string]string{"data/a.parquet": uri, "metadata/v1.metadata.json": "{}"}, "--source iceberg://namespace.table"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 0)
			for file, body := range c.files {
				l.put(t, "table/"+file, body)
			}
			_, err := Plan(t.Context(), l.conf, PlanOptions{Source: "s3://box/table/", Columns: map[string]string{"uri": "uri"}, Out: filepath.Join(l.out, "plan"), Listers: 2, Log: quiet})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
