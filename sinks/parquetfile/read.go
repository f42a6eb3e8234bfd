package parquetfile

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
)

// Read reads all rows of a file. It is for demos and tests, and holds everything in memory: [Scan] reads a few columns. Damaged bytes make the library panic, mostly where
// that is an error like any other.
func Read(ctx context.Context, body []byte) (rows []schemas.Row, err error) {
	defer recovered(&err)
	r, err := open(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 512}, allocator{memory.DefaultAllocator})
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
