//go:build iceberg

package icebergcatalog

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"vecmill/sinks/parquetfile"
)

// foreign makes a table of another writer: rows 0 to 9 with a number, a text and a UUID.
func foreign(t *testing.T, c Config, version string) (*Table, *table.Table) {
	t.Helper()
	tbl, err := connected(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tbl.Close() }) // only read
	ctx := withFiles(t.Context(), openFile)
	if err := tbl.cat.CreateNamespace(ctx, []string{"ns"}, nil); err != nil {
		t.Fatal(err)
	}
	sc := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "n", Type: iceberg.PrimitiveTypes.Int32}, iceberg.NestedField{ID: 2, Name: "text", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "uuid", Type: iceberg.PrimitiveTypes.UUID}, iceberg.NestedField{ID: 4, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp})
	if _, err := tbl.cat.CreateTable(ctx, tbl.id, sc, catalog.WithProperties(iceberg.Properties{"format-version": version, table.WriteDeleteModeKey: table.WriteModeMergeOnRead})); err != nil {
		t.Fatal(err)
	}
	got, err := tbl.load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for i := range 10 {
		rows = append(rows, fmt.Sprintf(`{"n":%d,"text":"text %d","uuid":"00000000-0000-0000-0000-00000000000%d"}`, i, i, i))
	}
	as, err := table.SchemaToArrowSchema(got.Schema(), nil, true, false)
	if err != nil {
		t.Fatal(err)
	}
	rec := record(t, as, rows)
	defer rec.Release()
	in, err := array.NewRecordReader(as, []arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	if got, err = got.Append(ctx, in, nil); err != nil {
		t.Fatal(err)
	}
	return tbl, got
}

func record(t *testing.T, sc *arrow.Schema, rows []string) arrow.RecordBatch {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, sc, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestRowsThatOthersHaveDeletedAreLeftOut deletes by position, by deletion vector, and by equality, as each format has it.
func TestRowsThatOthersHaveDeletedAreLeftOut(t *testing.T) {
	for _, x := range []struct{ name, version, deletes string }{
		{"by position", "2", "DeleteFiles"}, {"by deletion vector", "3", "DeletionVectorFiles"}, {"by equality", "2", "EqualityDeleteFiles"}, {"by a file that is written anew", "1", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := lake{t.TempDir()}.config()
			tbl, got := foreign(t, c, x.version)
			ctx := withFiles(t.Context(), openFile)
			var err error
			if x.name == "by equality" {
				err = byEquality(t, got, 4)
			} else {
				_, err = got.Delete(ctx, iceberg.EqualTo(iceberg.Reference("n"), int32(4)), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err = tbl.load(ctx); err != nil {
				t.Fatal(err)
			}
			tasks, err := got.Scan().PlanFiles(ctx)
			if err != nil || len(tasks) != 1 {
				t.Fatal(tasks, err)
			}
			for kind, n := range map[string]int{"DeleteFiles": len(tasks[0].DeleteFiles), "DeletionVectorFiles": len(tasks[0].DeletionVectorFiles), "EqualityDeleteFiles": len(tasks[0].EqualityDeleteFiles)} {
				if (n > 0) != (kind == x.deletes) {
					t.Fatalf("%d %s: the table is not what the test is about", n, kind)
				}
			}
			if rows := foreignRows(t, c); rows != "0:text 0:0 1:text 1:1 2:text 2:2 3:text 3:3 5:text 5:5 6:text 6:6 7:text 7:7 8:text 8:8 9:text 9:9" {
				t.Errorf("the rows are %s", rows)
			}
		})
	}
}

// byEquality deletes rows as Flink does.
func byEquality(t *testing.T, tbl *table.Table, n int) error {
	ctx := withFiles(t.Context(), openFile)
	as, err := table.SchemaToArrowSchema(iceberg.NewSchema(0, tbl.Schema().Field(0)), nil, true, false)
	if err != nil {
		return err
	}
	txn := tbl.NewTransaction()
	deletes, err := txn.WriteEqualityDeletes(ctx, []int{1}, iter.Seq2[arrow.RecordBatch, error](func(yield func(arrow.RecordBatch, error) bool) {
		rec := record(t, as, []string{fmt.Sprintf(`{"n":%d}`, n)})
		defer rec.Release()
		yield(rec, nil)
	}))
	if err != nil {
		return err
	}
	if err := txn.NewRowDelta(nil).AddDeletes(deletes...).Commit(ctx); err != nil {
		return err
	}
	_, err = txn.Commit(ctx)
	return err
}

func foreignRows(t *testing.T, c Config) string {
	t.Helper()
	s, err := OpenSnapshot(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scan, err := s.Scan(t.Context(), "", "text", "uuid", "n", "at")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range scan.Files {
		if err := scan.Rows(t.Context(), f, func(row []parquetfile.Value) error {
			if !row[3].Null || row[2].Null {
				t.Errorf("%+v", row)
			}
			all = append(all, fmt.Sprint(row[2].Int, ":", row[0].Text, ":", strings.TrimPrefix(row[1].Text, "00000000-0000-0000-0000-00000000000")))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(all, " ")
}
