package parquetsink_test

import (
	"os"
	"path/filepath"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/sinktest"
)

// TestAChainOfTheFirstFormatGoesOn: a file as the first version of this sink wrote it (of offsets 0 to 13, its bytes as they were, fewer tasks and columns) is read, and the
// chain goes on behind it. What other readers make of both together is in integration/sinks.
func TestAChainOfTheFirstFormatGoesOn(t *testing.T) {
	const name = "00000000000000000000.parquet"
	old, err := os.ReadFile(filepath.Join("testdata", "20261123", name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	at := filepath.Join(dir, "out", "rows", "p", "t", "1")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, name), old, 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, st, src)
	ids := map[string]bool{}
	for _, row := range before.Rows {
		ids[row.RowID] = true
		if row.Topic != "t" || row.Offset >= 14 || row.URI == "" || row.CreatedAt.IsZero() || row.Task == schemas.TaskEmbedding && len(row.Vector) != 4 {
			t.Errorf("row %+v", row)
		}
	}
	if len(before.Rows) < 10 || len(ids) != len(before.Rows) || len(before.Dead) != 2 || len(before.Skipped) != 1 {
		t.Errorf("%d rows with %d ids, dead %v, skipped %v", len(before.Rows), len(ids), before.Dead, before.Skipped)
	}
	s := open(t, config(st))
	if next, known, err := s.Resume(t.Context(), src, 0); next != 14 || !known || err != nil {
		t.Fatalf("resumes at %d, %v, %v", next, known, err)
	}
	r, rows := sinktest.Make(src, 14, 60)
	if err := s.Write(t.Context(), r, rows, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := read(t, st, src)
	if len(after.Rows) != len(before.Rows)+len(rows) {
		t.Errorf("%d rows, want %d and %d", len(after.Rows), len(before.Rows), len(rows))
	}
	after.Rows = after.Rows[len(before.Rows):]
	if err := after.Audit(src, 14, 60, false); err != nil {
		t.Error(err)
	}
}
