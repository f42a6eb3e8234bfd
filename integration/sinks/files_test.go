//go:build integration

package sinks

import (
	"path/filepath"
	"slices"
	"testing"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestArrowStreams writes rows of every task into stream files with each codec, and wants them back as pyarrow and polars have them.
func TestArrowStreams(t *testing.T) {
	for codec, offsets := range map[parquetsink.Compression]int64{parquetsink.LZ4: 300, parquetsink.Zstd: 3000, parquetsink.None: 300} { // smaller files are not written with zstd
		t.Run(string(codec), func(t *testing.T) {
			dir := t.TempDir()
			store, err := dirstore.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := parquetsink.NewDefaultConfig()
			c.Store, c.Tasks, c.Format, c.Compression = store, schemas.Tasks(), parquetsink.ArrowStream, codec
			sink, err := parquetsink.New(c)
			if err != nil {
				t.Fatal(err)
			}
			src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
			r, rows := sinktest.Make(src, 0, offsets)
			given := slices.Clone(rows)
			put(t, sink, r, rows...)
			if err := sink.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			readers, metadata := harness.ReadRows(t, dir, "arrows")
			if metadata["vecmill-first-offset"] != "0" || metadata["vecmill-rows"] == "" {
				t.Errorf("metadata %v", metadata)
			}
			for reader, got := range readers {
				t.Run(reader, func(t *testing.T) { same(t, given, got) })
			}
			if len(readers) != 2 {
				t.Errorf("%d readers", len(readers))
			}
		})
	}
}

// TestParquetRows writes rows of every task with each codec, in both layouts, and wants every value back as pyarrow, polars and duckdb have them.
func TestParquetRows(t *testing.T) {
	for codec, layout := range map[parquetsink.Compression]parquetsink.Layout{parquetsink.Zstd: parquetsink.Plain, parquetsink.Snappy: parquetsink.Hive, parquetsink.None: parquetsink.Plain} {
		t.Run(string(codec), func(t *testing.T) {
			dir := t.TempDir()
			store, err := dirstore.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := parquetsink.NewDefaultConfig()
			c.Store, c.Tasks, c.Compression, c.Layout = store, schemas.Tasks(), codec, layout
			sink, err := parquetsink.New(c)
			if err != nil {
				t.Fatal(err)
			}
			r, rows := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, 0, 300)
			given := slices.Clone(rows)
			put(t, sink, r, rows...)
			if err := sink.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			readers, _ := harness.ReadRows(t, dir, "parquet")
			if len(readers) != 3 {
				t.Errorf("%d readers", len(readers))
			}
			for reader, got := range readers {
				t.Run(reader, func(t *testing.T) { same(t, given, got) })
			}
		})
	}
}

// TestParquetFooters reads with pyarrow what a reader decides by: codecs, where there are dictionaries, and statistics that hold for the rows of each row group.
func TestParquetFooters(t *testing.T) {
	for codec, offsets := range map[parquetsink.Compression]int64{parquetsink.Zstd: 12_000, parquetsink.Snappy: 400, parquetsink.None: 400} {
		t.Run(string(codec), func(t *testing.T) {
			dir := t.TempDir()
			store, err := dirstore.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := parquetsink.NewDefaultConfig()
			c.Store, c.Tasks, c.Compression = store, []schemas.Task{schemas.TaskEmbedding}, codec
			sink, err := parquetsink.New(c)
			if err != nil {
				t.Fatal(err)
			}
			r, rows := sinktest.MakeOf(c.Tasks, schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, 0, offsets)
			for i := range rows {
				rows[i].Vector = wide(i)
			}
			given := slices.Clone(rows)
			put(t, sink, r, rows...)
			if err := sink.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "p", "t", "1", "*.parquet"))
			if err != nil || len(files) != 1 {
				t.Fatalf("files %v, %v", files, err)
			}
			groups := harness.ReadFooter(t, files[0])
			if want := map[bool]int{true: 2, false: 1}[codec == parquetsink.Zstd]; len(groups) != want { // a row group has 32 MiB of rows in memory
				t.Fatalf("%d row groups, want %d", len(groups), want)
			}
			for _, g := range groups {
				footerHolds(t, &g, codec, given[:g.Rows])
				given = given[g.Rows:]
			}
			if len(given) > 0 {
				t.Errorf("%d rows are in no row group", len(given))
			}
		})
	}
}

// wide is a vector of 768 numbers that hardly repeat.
func wide(row int) []float32 {
	v := make([]float32, 768)
	for i := range v {
		v[i] = float32((row*769+i*7919)%1_000_003)/1_000_003 - 0.5
	}
	return v
}

// footerHolds compares a row group's footer with its rows and with what docs/sinks.md says.
func footerHolds(t *testing.T, g *harness.RowGroup, codec parquetsink.Compression, rows []schemas.Row) {
	t.Helper()
	first, last := &rows[0], &rows[len(rows)-1]
	at := func(r *schemas.Row) any { // as Python writes it
		if r.CreatedAt.Nanosecond() == 0 {
			return r.CreatedAt.Format("2006-01-02T15:04:05+00:00")
		}
		return r.CreatedAt.Format("2006-01-02T15:04:05.000000+00:00")
	}
	for column, want := range map[string][2]any{
		"offset": {float64(first.Offset), float64(last.Offset)}, "created_at": {at(first), at(last)}, "partition": {1.0, 1.0}, "head": {"head", "head"},
		"row_id": extremes(rows, func(r *schemas.Row) string { return r.RowID }), "ref_id": extremes(rows, func(r *schemas.Row) string { return r.RefID }),
	} {
		if s := g.Columns[column].Statistics; s == nil || s.Least != want[0] || s.Greatest != want[1] || s.Nulls != 0 {
			t.Errorf("statistics of %s are %+v, want %v", column, s, want)
		}
	}
	for _, column := range []string{"vector.list.element", "vector_f16.list.element", "row_id", "offset"} {
		if c, ok := g.Columns[column]; !ok || c.Dictionary || slices.Contains(c.Encodings, "RLE_DICTIONARY") || slices.Contains(c.Encodings, "PLAIN_DICTIONARY") {
			t.Errorf("%s has a dictionary: %+v", column, c)
		}
	}
	name := map[parquetsink.Compression]string{parquetsink.Zstd: "ZSTD", parquetsink.Snappy: "SNAPPY", parquetsink.None: "UNCOMPRESSED"}[codec]
	for _, column := range []string{"vector.list.element", "row_id", "uri", "offset", "content_hash"} {
		if c := g.Columns[column]; c.Codec != name {
			t.Errorf("the codec of %s is %s, want %s", column, c.Codec, name)
		}
	}
	for _, column := range []string{"model_digest", "topic", "head"} { // of one value: a dictionary, of which there is nothing to compress
		if c := g.Columns[column]; !c.Dictionary || c.Codec != "UNCOMPRESSED" {
			t.Errorf("%s, whose value repeats: %+v", column, c)
		}
	}
	if s := g.Columns["vector.list.element"].Statistics; s != nil {
		t.Errorf("the vectors have statistics, which tell nobody anything: %+v", s)
	}
}

func extremes(rows []schemas.Row, of func(*schemas.Row) string) [2]any {
	least, greatest := of(&rows[0]), of(&rows[0])
	for i := range rows {
		least, greatest = min(least, of(&rows[i])), max(greatest, of(&rows[i]))
	}
	return [2]any{least, greatest}
}
