package parquetsink_test

import (
	"reflect"
	"slices"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// written is the name of the one file that a range makes.
func written(t *testing.T, cfg parquetsink.Config, r schemas.Range, rows []schemas.Row) string {
	t.Helper()
	sink, err := parquetsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := sink.Resume(t.Context(), r.Source, 0); err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := cfg.Store.List(t.Context(), "", "")
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return names[0]
}

// TestBackwardsGivesTheLineageOfEveryRowTheLastFirst writes a file of several row groups of each format. Lineages gives that of a Parquet file the first first.
func TestBackwardsGivesTheLineageOfEveryRowTheLastFirst(t *testing.T) {
	for _, format := range []parquetsink.Format{parquetsink.Parquet, parquetsink.ArrowStream} {
		t.Run(string(format), func(t *testing.T) {
			st := sinktest.NewMemStore()
			cfg := parquetsink.NewDefaultConfig()
			cfg.Store, cfg.Tasks, cfg.Format = st, schemas.Tasks(), format
			r, rows := sinktest.Make(src(0), 0, 300)
			for i := range rows { // more than a row group holds
				rows[i].Attributes = map[string]string{"name": rows[i].RowID}
				if rows[i].Task == schemas.TaskEmbedding {
					rows[i].Vector = make([]float32, 400_000)
				}
			}
			name := written(t, cfg, r, rows)
			want, err := parquetsink.ReadRows(t.Context(), st, name)
			if err != nil || len(want) != len(rows) {
				t.Fatal(len(want), err)
			}
			slices.Reverse(want)
			i := 0
			if err := parquetsink.Backwards(t.Context(), st, name, func(l *schemas.Lineage) error {
				if !reflect.DeepEqual(*l, want[i].Lineage) {
					t.Fatalf("row %d from the end: %+v, want %+v", i, *l, want[i].Lineage)
				}
				i++
				return nil
			}); err != nil || i != len(want) {
				t.Errorf("%d rows of %d, %v", i, len(want), err)
			}
			parts, err := parquetsink.Lineages(t.Context(), st, name, func(l *schemas.Lineage) error {
				i--
				if !reflect.DeepEqual(*l, want[i].Lineage) {
					t.Fatalf("row %d from the end, forwards: %+v, want %+v", i, *l, want[i].Lineage)
				}
				return nil
			})
			if err != nil || i != 0 || len(parts) < 2 {
				t.Fatalf("forwards: %d rows are left of %d, and the parts are %v, %v", i, len(want), parts, err)
			}
			slices.Reverse(want)
			next := int64(0)
			for _, p := range parts {
				rows, err := parquetsink.ReadPart(t.Context(), st, name, p)
				if err != nil || p.First != next || p.Next > int64(len(want)) || !reflect.DeepEqual(rows, want[p.First:p.Next]) {
					t.Fatalf("the part %+v has %d rows, %v", p, len(rows), err)
				}
				next = p.Next
			}
			if next != int64(len(want)) {
				t.Errorf("the parts have %d rows of %d", next, len(want))
			}
		})
	}
}

// TestAPartOfADamagedStreamIsAnError has its bytes, its head and its end spoilt, and the place of another part.
func TestAPartOfADamagedStreamIsAnError(t *testing.T) {
	st := sinktest.NewMemStore()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks, cfg.Format = st, []schemas.Task{schemas.TaskEmbedding}, parquetsink.ArrowStream
	r, rows := sinktest.MakeOf(cfg.Tasks, src(0), 0, 3)
	name := written(t, cfg, r, rows)
	all := func(*schemas.Lineage) error { return nil }
	parts, err := parquetsink.Lineages(t.Context(), st, name, all)
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	o, err := st.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	body, err := st.Read(t.Context(), name, 0, o.Size)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		at   int
		part parquetsink.Part
	}{
		"head":       {0, parts[0]},
		"beginning":  {int(parts[0].At), parts[0]},
		"place":      {-1, parquetsink.Part{Next: 3, At: parts[0].At + 8, Bytes: parts[0].Bytes}},
		"length":     {-1, parquetsink.Part{Next: 3, At: parts[0].At, Bytes: parts[0].Bytes - 8}},
		"the sealed": {-1, parquetsink.Part{Next: 3, At: o.Size, Bytes: 8}},
	} {
		spoilt := slices.Clone(body)
		if c.at >= 0 {
			for i := range 8 {
				spoilt[c.at+i] ^= 0xa5
			}
		}
		if err := st.Put(t.Context(), name, spoilt, ""); err != nil {
			t.Fatal(err)
		}
		if rows, err := parquetsink.ReadPart(t.Context(), st, name, c.part); err == nil {
			t.Errorf("%s: %d rows and no error", what, len(rows))
		}
	}
}
