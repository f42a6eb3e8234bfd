package parquetsink

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"vecmill/schemas"
	"vecmill/sinks/arrowfile"
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
	var rows []schemas.Row
	if f, _ := FormatOf(name); f == ArrowStream {
		rows, err = arrowfile.Read(body)
	} else {
		rows, err = parquetfile.Read(ctx, body)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return rows, nil
}

// lineage is what an audit reads of a row: a few bytes, beside vectors of kilobytes that are not read.
var lineage = []string{"topic", "partition", "offset", "row_id", "model_digest"}

// ScanLineage calls each with the topic, partition, offset, row id and model digest of every row of a file; the rest of l is empty. The error of each ends it.
func ScanLineage(ctx context.Context, st objectstore.Store, name string, each func(l *schemas.Lineage) error) error {
	return Scan(ctx, st, name, lineage, func(row []parquetfile.Value) error {
		return each(&schemas.Lineage{Topic: row[0].Text, Partition: int(row[1].Int), Offset: row[2].Int, RowID: row[3].Text, ModelDigest: row[4].Text})
	})
}

// streamBuffer is what is read of a stream at a time where its record batches are smaller.
const streamBuffer = 256 << 10

// Scan calls each for every row of a file with its values of some columns, which are text or whole numbers. Of a Parquet file these columns alone are read; a stream is read whole, a
// record batch at a time. The error of each ends it; row is valid during the call, texts stay.
func Scan(ctx context.Context, st objectstore.Store, name string, columns []string, each func(row []parquetfile.Value) error) error {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return err
	}
	at := objectstore.ReaderAt(ctx, st, o)
	if f, _ := FormatOf(name); f == ArrowStream {
		return arrowfile.Scan(bufio.NewReaderSize(io.NewSectionReader(at, 0, o.Size), streamBuffer), o.Size, columns, each)
	}
	return parquetfile.Scan(at, o.Size, columns, each)
}

// Backwards calls each for the lineage of every row of a file, the last first. Of a Parquet file the lineage's columns alone are read, a row group of them is held; a stream is read whole, and
// held without what heads made. The error of each ends it.
func Backwards(ctx context.Context, st objectstore.Store, name string, each func(l *schemas.Lineage) error) error {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return err
	}
	at := objectstore.ReaderAt(ctx, st, o)
	if f, _ := FormatOf(name); f == ArrowStream {
		return arrowfile.Backwards(bufio.NewReaderSize(io.NewSectionReader(at, 0, o.Size), streamBuffer), o.Size, each)
	}
	return parquetfile.Backwards(ctx, at, o.Size, each)
}

// Lineages calls each for the lineage of every row of a Parquet file, the first first, and says behind which row each row group ends. The lineage's columns alone are read, some thousand rows of them are held. The error of each ends it; where
// a row cannot be read, those before it came, and the ends are said.
func Lineages(ctx context.Context, st objectstore.Store, name string, each func(l *schemas.Lineage) error) (ends []int64, err error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	return parquetfile.Lineages(ctx, objectstore.ReaderAt(ctx, st, o), o.Size, each)
}

// Group reads the row group of a Parquet file that has row number n, from 0, with all columns, and says which its first row is. Behind the last row there is none: no rows.
func Group(ctx context.Context, st objectstore.Store, name string, n int64) (first int64, rows []schemas.Row, err error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return 0, nil, err
	}
	return parquetfile.Group(ctx, objectstore.ReaderAt(ctx, st, o), o.Size, n)
}
