//go:build integration

package sinks

import (
	"os"
	"path/filepath"
	"testing"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestOldAndNewFilesAreReadTogether: a chain that the first version of the sink began and this one goes on is one table to duckdb (union_by_name), with null in
// the columns that came later, and two files that pyarrow reads whole.
func TestOldAndNewFilesAreReadTogether(t *testing.T) {
	const name = "00000000000000000000.parquet"
	old, err := os.ReadFile(filepath.Join(harness.ModuleRoot(t), "sinks", "parquetsink", "testdata", "20261123", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "p", "t", "1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p", "t", "1", name), old, 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Tasks = store, schemas.Tasks()
	sink, err := parquetsink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.Make(src, 14, 60)
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	both := harness.ReadParquet(t, dir)
	if len(both.Files) != 2 || len(both.Files[0].Schema) >= len(both.Files[1].Schema) {
		t.Fatalf("%d files, of %d and %d columns", len(both.Files), len(both.Files[0].Schema), len(both.Files[1].Schema))
	}
	want := both.Files[0].Rows + int64(len(rows))
	for reader, view := range both.Readers {
		if view.Rows != want || view.RowIDs != want || len(view.Sources) != 1 {
			t.Errorf("%s sees %d rows with %d ids of %d sources, want %d of one", reader, view.Rows, view.RowIDs, len(view.Sources), want)
		}
	}
	vectors := 4.0 // in the old file
	for i := range rows {
		if rows[i].Task == schemas.TaskEmbedding {
			vectors++
		}
	}
	for query, n := range map[string]float64{
		`SELECT count(*) AS n FROM rows WHERE uri LIKE 's3://bucket/%'`:         float64(want),
		`SELECT count(vector) AS n FROM rows WHERE task = 'embedding'`:          vectors,
		`SELECT count(mask_png) AS n FROM rows WHERE "offset" < 14`:             0, // a column that came later
		`SELECT count(DISTINCT filename) AS n FROM rows WHERE mask_png IS NULL`: 2,
	} {
		if got := harness.QueryParquet(t, dir, query); len(got) != 1 || got[0]["n"] != n {
			t.Errorf("%s gives %v, want %v", query, got, n)
		}
	}
}
