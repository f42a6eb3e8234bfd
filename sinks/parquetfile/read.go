package parquetfile

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
)

// Read reads all rows of a file. It is for audits, demos and tests, not for scans. Damaged bytes make the library panic, which is an error like any other: an
// audit goes on behind it.
func Read(ctx context.Context, body []byte) (rows []schemas.Row, err error) {
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
