package icebergsink

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/sinks/parquetfile"
)

// The columns of a file of positions, and the field ids that Iceberg reserves for them.
const (
	pathColumn, pathID = "file_path", 2147483546
	posColumn, posID   = "pos", 2147483545
)

// positions are the rows of a file of positions, for parquetfile.
type positions struct {
	targets []target
	*array.RecordBuilder
}

func newPositions(targets []target) *positions {
	return &positions{targets, array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: pathColumn, Type: arrow.BinaryTypes.String},
		{Name: posColumn, Type: arrow.PrimitiveTypes.Int64},
	}, nil))}
}

func (p *positions) Len() int         { return len(p.targets) }
func (p *positions) Size(i int) int64 { return int64(len(p.targets[i].url)) + 8 }

func (p *positions) Append(i int) error {
	p.Field(0).(*array.StringBuilder).Append(p.targets[i].url)
	p.Field(1).(*array.Int64Builder).Append(p.targets[i].pos)
	return nil
}

// writePositions makes durable which rows of a partition's data files are gone. The targets ascend by file and position.
func (s *Sink) writePositions(ctx context.Context, v *View, t Tuple, targets []target) (File, error) {
	f := File{URL: s.urlOf(v, t, "-deletes.parquet"), Rows: int64(len(targets)), Tuple: t}
	p := newPositions(targets)
	defer p.Release()
	body, err := parquetfile.Write(p, parquetfile.Options{Compression: parquetfile.Snappy, Bare: true})
	if err == nil {
		body, err = parquetfile.SetFieldIDs(body, func(path string) (int, bool) {
			id, ok := map[string]int{pathColumn: pathID, posColumn: posID}[path]
			return id, ok
		})
	}
	if err == nil {
		f.Columns, err = columns(body)
	}
	if err != nil {
		return f, fmt.Errorf("%w: encoding %s: %w", errUnwritable, f.URL, err)
	}
	c := f.Columns[pathID] // readers tell by its bounds, however long they are, which data files it is about
	c.Lower, c.Upper = []byte(targets[0].url), []byte(targets[len(targets)-1].url)
	f.Columns[pathID] = c
	return s.put(ctx, f, body)
}

// ReadPositions reads which rows of data files are gone, by the files' URLs, from the bytes of a file of positions.
func ReadPositions(body []byte) (map[string]map[int64]bool, error) {
	gone := map[string]map[int64]bool{}
	err := parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{pathColumn, posColumn}, func(v []parquetfile.Value) error {
		if gone[v[0].Text] == nil {
			gone[v[0].Text] = map[int64]bool{}
		}
		gone[v[0].Text][v[1].Int] = true
		return nil
	})
	return gone, err
}
