package parquetfile

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
)

// Backwards calls each for the lineage of every row of a file, the last first. Of the file it reads the lineage's columns alone, and holds a row group of them. The error of each ends it.
func Backwards(ctx context.Context, body io.ReaderAt, size int64, each func(l *schemas.Lineage) error) error {
	r, err := open(body, size)
	if err != nil {
		return err
	}
	defer r.Close()
	for g := r.NumRowGroups() - 1; g >= 0; g-- {
		rows, err := readGroup(ctx, r, g, ofLineage)
		if err != nil {
			return err
		}
		for i := len(rows) - 1; i >= 0; i-- {
			if err := each(&rows[i].Lineage); err != nil {
				return err
			}
		}
	}
	return nil
}

// Group reads the row group that has row number n, from 0, with all columns, and says which its first row is. Behind the last row there is none: no rows.
func Group(ctx context.Context, body io.ReaderAt, size, n int64) (first int64, rows []schemas.Row, err error) {
	r, err := open(body, size)
	if err != nil {
		return 0, nil, err
	}
	defer r.Close()
	for g := range r.NumRowGroups() {
		next := first + r.MetaData().RowGroup(g).NumRows()
		if n < next {
			rows, err = readGroup(ctx, r, g, func(string) bool { return true })
			return first, rows, err
		}
		first = next
	}
	return first, nil, nil
}

// GroupEnds says behind which row each row group of a file ends.
func GroupEnds(body io.ReaderAt, size int64) (ends []int64, err error) {
	r, err := open(body, size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return groupEnds(r), nil
}

func groupEnds(r *file.Reader) (ends []int64) {
	end := int64(0)
	for g := range r.NumRowGroups() {
		end += r.MetaData().RowGroup(g).NumRows()
		ends = append(ends, end)
	}
	return ends
}

func ofLineage(column string) bool {
	return slices.ContainsFunc(schemas.LineageColumns(), func(c schemas.Column) bool { return c.Name == column })
}

// Lineages calls each for the lineage of every row of a file, the first first, and says behind which row each row group ends. Of the file it reads the lineage's columns alone, and holds some thousand rows of them. The error of each ends it; where a
// row cannot be read, those before it came, and the ends are said.
func Lineages(ctx context.Context, body io.ReaderAt, size int64, each func(l *schemas.Lineage) error) (ends []int64, err error) {
	r, err := open(body, size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ends = groupEnds(r)
	for g := range ends {
		if err := scanGroup(ctx, r, g, ofLineage, func(rows []schemas.Row) error {
			for i := range rows {
				if err := each(&rows[i].Lineage); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return ends, err
		}
	}
	return ends, nil
}

// readGroup reads the wanted columns of a row group.
func readGroup(ctx context.Context, r *file.Reader, group int, wanted func(column string) bool) (rows []schemas.Row, err error) {
	err = scanGroup(ctx, r, group, wanted, func(some []schemas.Row) error {
		rows = append(rows, some...)
		return nil
	})
	return rows, err
}

// scanGroup calls each for some rows of a row group after the other, with the wanted columns. The error of each ends it.
func scanGroup(ctx context.Context, r *file.Reader, group int, wanted func(column string) bool, each func(rows []schemas.Row) error) (err error) {
	defer recovered(&err)
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: scanRows}, allocator{memory.DefaultAllocator})
	if err != nil {
		return err
	}
	var leaves []int
	for i := range r.MetaData().Schema.NumColumns() {
		if wanted(r.MetaData().Schema.Column(i).ColumnPath()[0]) {
			leaves = append(leaves, i)
		}
	}
	rr, err := ar.GetRecordReader(ctx, leaves, []int{group})
	if err != nil {
		return err
	}
	defer rr.Release()
	n := int64(0)
	for rr.Next() {
		some, err := arrowrow.Rows(rr.Record())
		if err != nil {
			return err
		}
		n += int64(len(some))
		if err := each(some); err != nil {
			return err
		}
	}
	if want := r.RowGroup(group).NumRows(); n != want {
		return fmt.Errorf("row group %d has %d rows of %d: %w", group, n, want, rr.Err())
	}
	return nil
}
