package parquetsink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
	"vecmill/sinks/arrowfile"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// Format is what the files of a chain are. A chain has files of one format: a name is won once, and a file of another format would have another name.
type Format string

// The formats.
const (
	Parquet     Format = "parquet"
	ArrowStream Format = "arrow" // stream files of Arrow IPC
)

// ErrOtherFormat says that a source's chain has files of another format than the sink writes.
var ErrOtherFormat = errors.New("files of another format")

// suffix ends the names of files.
func (f Format) suffix() string {
	if f == ArrowStream {
		return ".arrows"
	}
	return ".parquet"
}

// compressions are the codecs that a format knows.
func (f Format) compressions() []Compression {
	if f == ArrowStream {
		return []Compression{Zstd, LZ4, None}
	}
	return []Compression{Zstd, Snappy, None}
}

// FormatOf is the format that a name says; ok is false for names that are no file's.
func FormatOf(name string) (f Format, ok bool) {
	for _, f := range []Format{Parquet, ArrowStream} {
		if path.Ext(name) == f.suffix() {
			return f, true
		}
	}
	return "", false
}

// fileRows are the rows of a file, for parquetfile and arrowfile.
type fileRows struct {
	*arrowrow.Builder
	rows []*schemas.Row
}

func (f fileRows) Len() int           { return len(f.rows) }
func (f fileRows) Size(i int) int64   { return f.rows[i].Size() }
func (f fileRows) Append(i int) error { return f.Builder.Append(f.rows[i]) }

// encode makes the bytes of a file, about as many as guessed. No rows give a file with a schema and nothing else.
func (s *Sink) encode(rows []*schemas.Row, info *FileInfo, guess int64) ([]byte, error) {
	builder := arrowrow.NewBuilder
	if s.cfg.Single && !slices.ContainsFunc(rows, func(r *schemas.Row) bool { return len(r.Half) > 0 }) { // one may be another output's, of before
		builder = arrowrow.NewSingleBuilder
	}
	b, err := builder(memory.DefaultAllocator, s.cfg.Tasks...)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	if s.cfg.Format == ArrowStream {
		return arrowfile.Write(fileRows{b, rows}, arrowfile.Options{Compression: arrowfile.Compression(s.cfg.Compression), Size: guess, Metadata: info.footer()})
	}
	return parquetfile.Write(fileRows{b, rows}, parquetfile.Options{
		Compression: s.cfg.Compression, Level: s.cfg.Level, Size: guess, Metadata: info.footer(),
	})
}

// Weigh says how many bytes a file has that a sink of a configuration makes of rows, if it is guessed to be of a size, which the codec depends on. The configuration needs no store.
func Weigh(cfg Config, rows []schemas.Row, guess int64) (int64, error) {
	s := &Sink{cfg: cfg}
	refs := make([]*schemas.Row, len(rows))
	for i := range rows {
		refs[i] = &rows[i]
	}
	info := &FileInfo{Schema: SchemaVersion, Rows: int64(len(rows)), Metadata: cfg.Metadata}
	body, err := s.encode(refs, info, guess)
	return int64(len(body)), err
}

// headGuess is what is read at first of what a file says of itself: most say less, so one read does.
const headGuess = 64 << 10

// metadataOf reads what a file says of itself: a Parquet file at its end, a stream at its beginning.
func metadataOf(ctx context.Context, st objectstore.Store, o objectstore.Info) (map[string]string, error) {
	read, need, parse := readTail, footerLength, parseFooter
	if f, _ := FormatOf(o.Name); f == ArrowStream {
		read, need, parse = readHead, arrowfile.Head, arrowfile.Metadata
	}
	part, err := read(ctx, st, o, headGuess)
	if err != nil {
		return nil, err
	}
	if n := need(part); n > int64(len(part)) {
		if part, err = read(ctx, st, o, n); err != nil {
			return nil, err
		}
	}
	return parse(part)
}

func readHead(ctx context.Context, st objectstore.Store, o objectstore.Info, n int64) ([]byte, error) {
	n = min(n, o.Size)
	return readWhole(ctx, st, o.Name, 0, n)
}

func readTail(ctx context.Context, st objectstore.Store, o objectstore.Info, n int64) ([]byte, error) {
	n = min(n, o.Size)
	return readWhole(ctx, st, o.Name, o.Size-n, n)
}

// readWhole refuses fewer than n bytes.
func readWhole(ctx context.Context, st objectstore.Store, name string, off, n int64) ([]byte, error) {
	b, err := st.Read(ctx, name, off, n)
	if err == nil && int64(len(b)) < n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// parseFooter reads the metadata of a Parquet file's end: the footer is found from there, so the tail alone will do.
func parseFooter(tail []byte) (map[string]string, error) {
	return parquetfile.Metadata(bytes.NewReader(tail), int64(len(tail)))
}

// footerLength is the number of bytes at a Parquet file's end that hold the footer, its length and the magic.
func footerLength(tail []byte) int64 {
	if len(tail) < 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(tail[len(tail)-8:])) + 8
}
