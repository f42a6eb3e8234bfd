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
			if format != parquetsink.Parquet {
				return
			}
			ends, err := parquetsink.Lineages(t.Context(), st, name, func(l *schemas.Lineage) error {
				i--
				if !reflect.DeepEqual(*l, want[i].Lineage) {
					t.Fatalf("row %d from the end, forwards: %+v, want %+v", i, *l, want[i].Lineage)
				}
				return nil
			})
			if err != nil || i != 0 || len(ends) < 2 || ends[len(ends)-1] != int64(len(want)) {
				t.Errorf("forwards: %d rows are left of %d, row groups end at %v, %v", i, len(want), ends, err)
			}
			for _, end := range ends {
				if first, rows, err := parquetsink.Group(t.Context(), st, name, end-1); err != nil || first+int64(len(rows)) != end {
					t.Errorf("a row group of %d rows from %d, and it ends at %d, %v", len(rows), first, end, err)
				}
			}
		})
	}
}

// TestARowGroupIsReadByAnyOfItsRows reads a file of several row groups by row numbers, up to one behind its end.
func TestARowGroupIsReadByAnyOfItsRows(t *testing.T) {
	st := sinktest.NewMemStore()
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Tasks = st, []schemas.Task{schemas.TaskEmbedding}
	r, rows := sinktest.MakeOf(cfg.Tasks, src(0), 0, 30)
	for i := range rows {
		rows[i].Vector = make([]float32, 700_000)
		rows[i].Vector[0] = float32(i)
	}
	name, groups := written(t, cfg, r, rows), 0
	for n := 0; n < len(rows); groups++ {
		first, group, err := parquetsink.Group(t.Context(), st, name, int64(n))
		if err != nil || first != int64(n) || len(group) == 0 {
			t.Fatalf("row %d: %d rows from %d, %v", n, len(group), first, err)
		}
		for i := range group {
			if got, want := &group[i], &rows[n+i]; !reflect.DeepEqual(got.Lineage, want.Lineage) || !slices.Equal(got.Vector, want.Vector) {
				t.Fatalf("row %d is %+v", n+i, got.Lineage)
			}
		}
		n += len(group)
		if again, same, err := parquetsink.Group(t.Context(), st, name, int64(n-1)); err != nil || again != first || len(same) != len(group) {
			t.Errorf("by its last row %d: %d rows from %d, %v", n-1, len(same), again, err)
		}
	}
	if groups < 3 {
		t.Errorf("%d row groups", groups)
	}
	if _, group, err := parquetsink.Group(t.Context(), st, name, int64(len(rows))); err != nil || len(group) != 0 {
		t.Errorf("behind the end: %d rows, %v", len(group), err)
	}
}
