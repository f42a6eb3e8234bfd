//go:build integration

package sinks

import (
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
