package arrowfile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"vecmill/sinks/parquetfile"
)

// Compression is the codec of the buffers.
type Compression string

// The codecs.
const (
	LZ4  Compression = "lz4"
	Zstd Compression = "zstd"
	None Compression = "none"
)

// leastSaving is the share that a buffer has to shrink by, or it is stored as it is: readers then need not unpack vectors, which hardly shrink.
const leastSaving = 0.1

// smallFile is the size up to which zstd is not worth its memory, as in parquetfile: the library makes an encoder of megabytes for each file.
const smallFile = 1 << 20

// Options are how a file is written.
type Options struct {
	Compression Compression       // of files above 1 MB; smaller ones with zstd are written with lz4
	Size        int64             // a guess of the file's bytes
	Metadata    map[string]string // of the schema
}

// Write makes the bytes of a file. No rows give a file with a schema and no record batch. A panic of the library is an error.
func Write(rows parquetfile.Rows, o Options) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			body, err = nil, fmt.Errorf("panic: %v", v)
		}
	}()
	keys := slices.Sorted(maps.Keys(o.Metadata))
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = o.Metadata[k]
	}
	meta := arrow.NewMetadata(keys, values)
	schema := arrow.NewSchema(rows.Schema().Fields(), &meta)
	out := bytes.NewBuffer(make([]byte, 0, o.Size)) // growing by doubling would hold the file twice
	w := ipc.NewWriter(out, o.with(schema)...)
	if err := parquetfile.Groups(rows, w.Write); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // writes the schema, if nothing else has
		return nil, err
	}
	return out.Bytes(), nil
}

func (o *Options) with(schema *arrow.Schema) []ipc.Option {
	out := []ipc.Option{ipc.WithSchema(schema)}
	switch {
	case o.Compression == LZ4, o.Compression == Zstd && o.Size <= smallFile:
		out = append(out, ipc.WithLZ4(), ipc.WithMinSpaceSavings(leastSaving))
	case o.Compression == Zstd:
		out = append(out, ipc.WithZstd(), ipc.WithMinSpaceSavings(leastSaving))
	}
	return out
}
