//go:build integration

package harness

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

func TestReadersAgreeOnRowsAndCoverage(t *testing.T) {
	dir := t.TempDir()
	writeRows(t, filepath.Join(dir, "refs", "0", "a.parquet"), []string{"r0", "r1", "r1"}, []int64{0, 1, 1})
	writeRows(t, filepath.Join(dir, "refs", "0", "b.parquet"), []string{"r4", "r2"}, []int64{4, 2})
	got := ReadParquet(t, dir)
	for _, reader := range []string{"pyarrow", "duckdb", "polars"} {
		view := got.Readers[reader]
		if view.Version == "" {
			t.Errorf("%s has no version", reader)
		}
		view.Version = ""
		want := ReaderView{
			Rows: 5, RowIDs: 4, Repeated: []string{"r1"},
			Sources: []SourceView{{Topic: "refs", Partition: 0, Rows: 5, Spans: [][2]int64{{0, 3}, {4, 5}}}},
		}
		if !reflect.DeepEqual(view, want) {
			t.Errorf("%s sees %+v, want %+v", reader, view, want)
		}
	}
	if len(got.Files) != 2 || got.Files[0].Path != "refs/0/a.parquet" || got.Files[0].Rows != 3 {
		t.Fatalf("files = %+v", got.Files)
	}
	if next := got.Files[0].Metadata["next_offset"]; next != "9" {
		t.Errorf("footer next_offset = %q, want 9", next)
	}
	if col := got.Files[0].Schema[3]; col != (ParquetColumn{Name: "offset", Type: "int64"}) {
		t.Errorf("fourth column = %+v", col)
	}
	sum := QueryParquet(t, dir, `SELECT sum("offset")::INTEGER AS total FROM rows`)
	if len(sum) != 1 || sum[0]["total"] != 8.0 {
		t.Errorf("query = %v, want one row with total 8", sum)
	}
}

func writeRows(t *testing.T, path string, ids []string, offsets []int64) {
	t.Helper()
	meta := arrow.NewMetadata([]string{"next_offset"}, []string{"9"})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "row_id", Type: arrow.BinaryTypes.String},
		{Name: "topic", Type: arrow.BinaryTypes.String},
		{Name: "partition", Type: arrow.PrimitiveTypes.Int32},
		{Name: "offset", Type: arrow.PrimitiveTypes.Int64},
		{Name: "vector", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true},
	}, &meta)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, id := range ids {
		b.Field(0).(*array.StringBuilder).Append(id)
		b.Field(1).(*array.StringBuilder).Append("refs")
		b.Field(2).(*array.Int32Builder).Append(0)
		b.Field(3).(*array.Int64Builder).Append(offsets[i])
		list := b.Field(4).(*array.ListBuilder)
		list.Append(true)
		list.ValueBuilder().(*array.Float32Builder).Append(float32(i))
	}
	record := b.NewRecord()
	defer record.Release()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, nil, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // closes f too
		t.Fatal(err)
	}
}
