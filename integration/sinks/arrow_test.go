//go:build integration

package sinks

import (
	"slices"
	"testing"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/jsonrow"
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
			readers, metadata := harness.ReadArrow(t, dir)
			if metadata["vecmill-first-offset"] != "0" || metadata["vecmill-rows"] == "" {
				t.Errorf("metadata %v", metadata)
			}
			for reader, got := range readers {
				if len(got) != len(given) {
					t.Fatalf("%s has %d rows, want %d", reader, len(got), len(given))
				}
				for i := range given {
					back, err := jsonrow.Parse(got[i])
					if err != nil {
						t.Fatalf("%s: %v in %s", reader, err, got[i])
					}
					if want, is := asJSON(t, &given[i]), asJSON(t, &back); want != is {
						t.Fatalf("%s: row %d reads\n%s\nwant\n%s", reader, i, is, want)
					}
				}
			}
			if len(readers) != 2 {
				t.Errorf("%d readers", len(readers))
			}
		})
	}
}
