package parquetsink

import (
	"context"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// ReadRows reads all rows of a file. It holds the whole file in memory: it is for demos and tests.
func ReadRows(ctx context.Context, st objectstore.Store, name string) ([]schemas.Row, error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := readTail(ctx, st, o, o.Size)
	if err != nil {
		return nil, err
	}
	rows, err := parquetfile.Read(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return rows, nil
}

// lineage is what an audit reads of a row: a few bytes, beside vectors of kilobytes that are not read.
var lineage = []string{"topic", "partition", "offset", "row_id", "model_digest"}

// ScanLineage calls each with the topic, partition, offset, row id and model digest of every row of a file; the rest of l is empty. The error of each ends it.
func ScanLineage(ctx context.Context, st objectstore.Store, name string, each func(l *schemas.Lineage) error) error {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return err
	}
	return parquetfile.Scan(objectstore.ReaderAt(ctx, st, o), o.Size, lineage, func(row []parquetfile.Value) error {
		return each(&schemas.Lineage{Topic: row[0].Text, Partition: int(row[1].Int), Offset: row[2].Int, RowID: row[3].Text, ModelDigest: row[4].Text})
	})
}
