package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/sinks/objectstore"
)

// words are the columns that are read of a file: a few bytes a row, beside vectors of kilobytes that are not.
var words = [...]string{"uri", "etag", "model_digest", "preprocess_digest", "head"}

// Scan calls each for the work of every row of a Parquet file, without its Options. It reads no other columns. Work's strings are valid during the call.
func Scan(ctx context.Context, st objectstore.Store, name string, each func(*Work) error) error {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if err := scan(ctx, &object{ctx: ctx, st: st, name: name, size: o.Size}, each); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func scan(ctx context.Context, body parquet.ReaderAtSeeker, each func(*Work) error) (err error) {
	defer func() {
		if v := recover(); v != nil { // the library panics on some damage
			err = fmt.Errorf("damaged: %v", v)
		}
	}()
	r, err := file.NewParquetReader(body)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.NumRows() == 0 {
		return nil
	}
	var columns []int
	for _, name := range words {
		i := r.MetaData().Schema.ColumnIndexByName(name)
		if i < 0 {
			return fmt.Errorf("it has no column %s", name)
		}
		columns = append(columns, i)
	}
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 8192}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	rr, err := ar.GetRecordReader(ctx, columns, nil)
	if err != nil {
		return err
	}
	defer rr.Release()
	for rr.Next() {
		if err := works(rr.Record(), each); err != nil {
			return err
		}
	}
	if err := rr.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func works(rec arrow.Record, each func(*Work) error) error {
	var w Work
	fields := [...]*string{&w.URI, &w.ETag, &w.Model, &w.Preprocess, &w.Head}
	var read [len(words)]func(i int) string
	for i, name := range words {
		at := rec.Schema().FieldIndices(name)
		if len(at) != 1 {
			return fmt.Errorf("it has no column %s", name)
		}
		var err error
		if read[i], err = texts(rec.Column(at[0])); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	for i := range int(rec.NumRows()) {
		for j, f := range fields {
			*f = read[j](i)
		}
		if err := each(&w); err != nil {
			return err
		}
	}
	return nil
}

// texts reads a column of text, plain or by dictionary; a missing one is "".
func texts(a arrow.Array) (func(i int) string, error) {
	switch c := a.(type) {
	case *array.String:
		return func(i int) string {
			if c.IsNull(i) {
				return ""
			}
			return c.Value(i)
		}, nil
	case *array.Dictionary:
		values, err := texts(c.Dictionary())
		if err != nil {
			return nil, err
		}
		return func(i int) string {
			if c.IsNull(i) {
				return ""
			}
			return values(c.GetValueIndex(i))
		}, nil
	}
	return nil, fmt.Errorf("is %s, not text", a.DataType())
}

// object is an object of a store as Parquet's reader takes it.
type object struct {
	ctx  context.Context // of one scan: io.ReaderAt has no place for it
	st   objectstore.Store
	name string
	size int64
	pos  int64
}

func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off >= o.size {
		return 0, io.EOF
	}
	b, err := o.st.Read(o.ctx, o.name, off, int64(len(p)))
	n := copy(p, b)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (o *object) Read(p []byte) (int, error) {
	n, err := o.ReadAt(p, o.pos)
	o.pos += int64(n)
	return n, err
}

func (o *object) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		o.pos = off
	case io.SeekCurrent:
		o.pos += off
	case io.SeekEnd:
		o.pos = o.size + off
	}
	if o.pos < 0 {
		return 0, errors.New("seek before the beginning")
	}
	return o.pos, nil
}
