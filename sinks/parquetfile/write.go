package parquetfile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// Compression is the codec of all columns.
type Compression string

// The codecs.
const (
	Zstd   Compression = "zstd"
	Snappy Compression = "snappy"
	None   Compression = "none"
)

// Options are how a file is written.
type Options struct {
	Compression Compression       // of files above 1 MB; smaller ones with zstd are written with snappy
	Level       int               // zstd level 1-22; 0 is the codec's default
	Size        int64             // a guess of the file's bytes
	Metadata    map[string]string // of the footer
	Bare        bool              // without the Arrow schema in the footer
}

// Rows are the rows of a file in their order.
type Rows interface {
	Schema() *arrow.Schema
	Len() int
	Size(i int) int64 // of a row in memory, estimated

	// Append puts a row behind those that were appended since the last NewRecord.
	Append(i int) error

	// NewRecord is the appended rows, which the caller releases.
	NewRecord() arrow.Record
}

// A row group is closed at whichever of these comes first. It is also what the encoder holds as Arrow beside the rows.
const (
	groupRows  = 65_536
	groupBytes = 32 << 20
)

// Write makes the bytes of a file. No rows give a file with a schema and no row group. A panic of the library is an error.
func Write(rows Rows, o Options) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			body, err = nil, fmt.Errorf("panic: %v", v)
		}
	}()
	mem := memory.DefaultAllocator
	out := bytes.NewBuffer(make([]byte, 0, o.Size)) // growing by doubling would hold the file twice
	props := []pqarrow.WriterOption{pqarrow.WithAllocator(mem)}
	if !o.Bare {
		props = append(props, pqarrow.WithStoreSchema())
	}
	w, err := pqarrow.NewFileWriter(rows.Schema(), out, o.writerProperties(mem), pqarrow.NewArrowWriterProperties(props...))
	if err != nil {
		return nil, err
	}
	if err := Groups(rows, w.Write); err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(o.Metadata)) {
		if err := w.AppendKeyValueMetadata(k, o.Metadata[k]); err != nil {
			return nil, fmt.Errorf("footer %s: %w", k, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Groups calls each with the rows as records, one for a row group; a record is valid during the call. The error of each ends it.
func Groups(rows Rows, each func(arrow.Record) error) error {
	for at, n := 0, 0; at < rows.Len(); at += n {
		n = groupLength(rows, at)
		for i := range n {
			if err := rows.Append(at + i); err != nil {
				return err
			}
		}
		rec := rows.NewRecord()
		err := each(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// groupLength is the number of rows of the row group that begins at a row.
func groupLength(rows Rows, at int) int {
	bytes, n := int64(0), rows.Len()-at
	for i := range n {
		if bytes += rows.Size(at + i); i > 0 && bytes > groupBytes || i == groupRows {
			return i
		}
	}
	return n
}

// writerProperties are dictionary and statistics for the short columns and neither for the vector: its values hardly repeat,
// and a minimum over all its components tells nobody anything.
func (o *Options) writerProperties(mem memory.Allocator) *parquet.WriterProperties {
	const vector, half = "vector.list.element", "vector_f16.list.element"
	props := []parquet.WriterProperty{
		parquet.WithAllocator(mem), parquet.WithCreatedBy("vecmill"), parquet.WithCompression(o.codec()),
		parquet.WithDictionaryFor(vector, false), parquet.WithStatsFor(vector, false),
		parquet.WithDictionaryFor(half, false), parquet.WithStatsFor(half, false), parquet.WithDictionaryFor("mask_png", false), parquet.WithStatsFor("mask_png", false),
		parquet.WithDictionaryFor("row_id", false), parquet.WithDictionaryFor("offset", false),
	}
	if o.Level > 0 && o.Compression == Zstd {
		props = append(props, parquet.WithCompressionLevel(o.Level))
	}
	for _, name := range constantColumns {
		props = append(props, parquet.WithCompressionFor(name, compress.Codecs.Uncompressed))
	}
	return parquet.NewWriterProperties(props...)
}

// constantColumns hold one value, or a few, throughout a file: the dictionary leaves nothing to compress.
var constantColumns = []string{
	"pipeline", "modality", "model", "model_digest", "preprocess_digest", "head", "task", "topic", "partition", "window", "truncated",
}

// smallFile is the size up to which zstd is not worth it: the library makes a new encoder of megabytes for every page, which comes to 60 to
// 200 MB of garbage for a file of ten rows (parquetsink's BenchmarkSmallFiles).
const smallFile = 1 << 20

func (o *Options) codec() compress.Compression {
	switch {
	case o.Compression == Snappy, o.Compression == Zstd && o.Size <= smallFile:
		return compress.Codecs.Snappy
	case o.Compression == Zstd:
		return compress.Codecs.Zstd
	}
	return compress.Codecs.Uncompressed
}
