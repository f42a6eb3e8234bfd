package parquetsink

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/objectstore"
)

// ReadRows reads all rows of a file. It holds the whole file in memory: it is for audits, demos and tests, not for scans.
func ReadRows(ctx context.Context, st objectstore.Store, name string) ([]schemas.Row, error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := readTail(ctx, st, o, o.Size)
	if err != nil {
		return nil, err
	}
	rows, err := decode(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return rows, nil
}

// decode reads a file's bytes. Damaged ones make the library panic, which is an error like any other: an audit goes on behind it.
func decode(ctx context.Context, body []byte) (rows []schemas.Row, err error) {
	defer func() {
		if v := recover(); v != nil {
			rows, err = nil, fmt.Errorf("the file is damaged: %v", v)
		}
	}()
	r, err := file.NewParquetReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 4096}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	if r.NumRows() == 0 {
		return nil, nil
	}
	rr, err := ar.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	defer rr.Release()
	for rr.Next() {
		got, err := arrowrow.Rows(rr.Record())
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	if int64(len(rows)) != r.NumRows() {
		return nil, fmt.Errorf("%d rows of %d: %w", len(rows), r.NumRows(), rr.Err())
	}
	return rows, nil
}
