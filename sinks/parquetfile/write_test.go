package parquetfile_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

// heavy are rows that say they have a mebibyte each.
type heavy struct {
	*arrowrow.Builder
	rows []schemas.Row
}

func (h heavy) Len() int           { return len(h.rows) }
func (h heavy) Size(int) int64     { return 1 << 20 }
func (h heavy) Append(i int) error { return h.Builder.Append(&h.rows[i]) }

// TestAFootersColumns has the row groups, codecs, dictionaries and statistics that docs/sinks.md promises; pyarrow reads them in integration/sinks.
func TestAFootersColumns(t *testing.T) {
	_, rows := sinktest.Make(schemas.SourceID{Topic: "t"}, 0, 130)
	for _, c := range []struct {
		name  string
		given parquetfile.Options
		want  compress.Compression
	}{
		{"zstd", parquetfile.Options{Compression: parquetfile.Zstd, Size: 2 << 20}, compress.Codecs.Zstd},
		{"zstd of a small file", parquetfile.Options{Compression: parquetfile.Zstd, Size: 1 << 20}, compress.Codecs.Snappy},
		{"snappy", parquetfile.Options{Compression: parquetfile.Snappy, Size: 2 << 20}, compress.Codecs.Snappy},
		{"none", parquetfile.Options{Compression: parquetfile.None, Size: 2 << 20}, compress.Codecs.Uncompressed},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := arrowrow.NewBuilder(memory.DefaultAllocator, schemas.Tasks()...)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Release()
			body, err := parquetfile.Write(heavy{b, rows}, c.given)
			if err != nil {
				t.Fatal(err)
			}
			pq, err := file.NewParquetReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer pq.Close()
			at := 0
			for g := range pq.NumRowGroups() {
				n := int(pq.MetaData().RowGroup(g).NumRows())
				if want := min(32, len(rows)-at); n != want {
					t.Errorf("row group %d has %d rows, want %d: 32 MiB", g, n, want)
				}
				group(t, pq.MetaData().RowGroup(g), c.want, rows[at:at+n])
				at += n
			}
			if at != len(rows) {
				t.Errorf("%d rows are in row groups, want %d", at, len(rows))
			}
		})
	}
}

func group(t *testing.T, g *metadata.RowGroupMetaData, codec compress.Compression, rows []schemas.Row) {
	t.Helper()
	seen := 0
	for i := range g.NumColumns() {
		c, err := g.ColumnChunk(i)
		if err != nil {
			t.Fatal(err)
		}
		name := c.PathInSchema().String()
		vector := slices.Contains([]string{"vector.list.element", "vector_f16.list.element"}, name)
		dictionary := slices.Contains(c.Encodings(), parquet.Encodings.RLEDict) || slices.Contains(c.Encodings(), parquet.Encodings.PlainDict)
		if dictionary != c.HasDictionaryPage() {
			t.Errorf("%s: encodings %v, with a page of a dictionary: %v", name, c.Encodings(), c.HasDictionaryPage())
		}
		if vector || name == "row_id" || name == "offset" || name == "mask_png" {
			if seen++; dictionary || c.Compression() != codec {
				t.Errorf("%s has the codec %v and the encodings %v", name, c.Compression(), c.Encodings())
			}
		}
		if stats, err := c.StatsSet(); err != nil || stats == (vector || name == "mask_png") {
			t.Errorf("%s has statistics: %v, %v", name, stats, err)
		}
		if name != "offset" {
			continue
		}
		s, err := c.Statistics()
		if err != nil {
			t.Fatal(err)
		}
		of := s.(*metadata.Int64Statistics)
		if seen++; of.Min() != rows[0].Offset || of.Max() != rows[len(rows)-1].Offset || of.NullCount() != 0 {
			t.Errorf("offsets are %d to %d, and the rows' %d to %d", of.Min(), of.Max(), rows[0].Offset, rows[len(rows)-1].Offset)
		}
	}
	if seen != 6 {
		t.Errorf("%d of 6 things were looked at", seen)
	}
}
