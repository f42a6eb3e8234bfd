package parquetsink

import (
	"bufio"
	"bytes"
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

// Part is a row group of a Parquet file, or a record batch of a stream: some of its rows, which are read by themselves. Of a stream it says where they lie.
type Part = arrowfile.Part

// Lineages calls each for the lineage of every row of a file, the first first, and says which parts it has. Of a Parquet file the lineage's columns alone are read, some thousand rows of them are held; a stream is read whole, and a
// record batch held. The error of each ends it; where a row cannot be read, those before it came, and the parts are said: of a stream those before it.
func Lineages(ctx context.Context, st objectstore.Store, name string, each func(l *schemas.Lineage) error) (parts []Part, err error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	at := objectstore.ReaderAt(ctx, st, o)
	if f, _ := FormatOf(name); f == ArrowStream {
		return arrowfile.Lineages(bufio.NewReaderSize(io.NewSectionReader(at, 0, o.Size), streamBuffer), o.Size, each)
	}
	ends, err := parquetfile.Lineages(ctx, at, o.Size, each)
	first := int64(0)
	for _, end := range ends {
		parts = append(parts, Part{First: first, Next: end})
		first = end
	}
	return parts, err
}

// ReadPart reads the rows of a part that Lineages has told of, with all columns. A file that has others there, as it is another one by now, gives these or fails.
func ReadPart(ctx context.Context, st objectstore.Store, name string, p Part) (rows []schemas.Row, err error) {
	o, err := st.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	at := objectstore.ReaderAt(ctx, st, o)
	if f, _ := FormatOf(name); f != ArrowStream {
		_, rows, err = parquetfile.Group(ctx, at, o.Size, p.First)
		return rows, err
	}
	begin, err := readHead(ctx, st, o, headGuess)
	if err != nil {
		return nil, err
	}
	n := arrowfile.Head(begin)
	if n > int64(len(begin)) {
		if begin, err = readHead(ctx, st, o, n); err != nil {
			return nil, err
		}
	}
	if n == 0 || n > int64(len(begin)) {
		return nil, fmt.Errorf("%w: its head", arrowfile.ErrDamaged)
	}
	return arrowfile.ReadPart(io.MultiReader(bytes.NewReader(begin[:n]), io.NewSectionReader(at, p.At, p.Bytes)), n+p.Bytes)
}
