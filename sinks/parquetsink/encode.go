package parquetsink

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
)

// A row group is closed at whichever of these comes first. It is also what the encoder holds as Arrow beside the rows.
const (
	groupRows  = 65_536
	groupBytes = 32 << 20
)

// encodeGuarded is encode, with a panic of the library as an error: the source stops with the file's name, the others go on.
func (s *Sink) encodeGuarded(rows []*schemas.Row, info *FileInfo, guess int64) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			body, err = nil, fmt.Errorf("panic: %v", v)
		}
	}()
	return s.encode(rows, info, guess)
}

// encode makes the bytes of a file, about as many as guessed. No rows give a file with a schema and no row group.
func (s *Sink) encode(rows []*schemas.Row, info *FileInfo, guess int64) ([]byte, error) {
	mem := memory.DefaultAllocator
	b, err := arrowrow.NewBuilder(mem, s.cfg.Tasks...)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	out := bytes.NewBuffer(make([]byte, 0, guess)) // growing by doubling would hold the file twice
	w, err := pqarrow.NewFileWriter(b.Schema(), out, s.cfg.writerProperties(mem, guess), pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem), pqarrow.WithStoreSchema()))
	if err != nil {
		return nil, err
	}
	for len(rows) > 0 {
		n := groupLength(rows)
		for _, r := range rows[:n] {
			if err := b.Append(r); err != nil {
				return nil, err
			}
		}
		rec := b.NewRecord()
		err := w.Write(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
		rows = rows[n:]
	}
	pairs := info.footer()
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		if err := w.AppendKeyValueMetadata(k, pairs[k]); err != nil {
			return nil, fmt.Errorf("footer %s: %w", k, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// groupLength is the number of rows of the next row group.
func groupLength(rows []*schemas.Row) int {
	bytes := int64(0)
	for i, r := range rows {
		if bytes += r.Size(); i > 0 && bytes > groupBytes || i == groupRows {
			return i
		}
	}
	return len(rows)
}

// writerProperties are dictionary and statistics for the short columns and neither for the vector: its values hardly repeat,
// and a minimum over all its components tells nobody anything. size is the guess of the file's size.
func (c *Config) writerProperties(mem memory.Allocator, size int64) *parquet.WriterProperties {
	const vector, half = "vector.list.element", "vector_f16.list.element"
	props := []parquet.WriterProperty{
		parquet.WithAllocator(mem), parquet.WithCreatedBy("vecmill"), parquet.WithCompression(c.codec(size)),
		parquet.WithDictionaryFor(vector, false), parquet.WithStatsFor(vector, false),
		parquet.WithDictionaryFor(half, false), parquet.WithStatsFor(half, false), parquet.WithDictionaryFor("mask_png", false), parquet.WithStatsFor("mask_png", false),
		parquet.WithDictionaryFor("row_id", false), parquet.WithDictionaryFor("offset", false),
	}
	if c.Level > 0 && c.Compression == Zstd {
		props = append(props, parquet.WithCompressionLevel(c.Level))
	}
	for _, name := range constantColumns {
		props = append(props, parquet.WithCompressionFor(name, compress.Codecs.Uncompressed))
	}
	return parquet.NewWriterProperties(props...)
}

// constantColumns hold one value, or a few, throughout a file: the dictionary leaves nothing to compress.
var constantColumns = []string{
	"modality", "model", "model_digest", "preprocess_digest", "head", "task", "topic", "partition", "window", "truncated",
}

// smallFile is the size up to which zstd is not worth it: the library makes a new encoder of megabytes for every page, which comes to 60 to
// 200 MB of garbage for a file of ten rows (BenchmarkSmallFiles).
const smallFile = 1 << 20

func (c *Config) codec(size int64) compress.Compression {
	switch {
	case c.Compression == Snappy, c.Compression == Zstd && size <= smallFile:
		return compress.Codecs.Snappy
	case c.Compression == Zstd:
		return compress.Codecs.Zstd
	}
	return compress.Codecs.Uncompressed
}
