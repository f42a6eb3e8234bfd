package manifestsource

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vecmill/sinks/parquetfile"
)

// parquetList is a Parquet file with a reference on each row. It implements List.
type parquetList struct {
	file    *os.File
	size    int64
	changed time.Time
	columns []string // those that are read, of the table's fields
	table   *table
	rows    int64
	open    []*parquetfile.Scanner
}

func openParquet(path string, c Columns) (_ List, err error) {
	file, info, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	l := &parquetList{file: file, size: info.Size(), changed: info.ModTime()}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	names, err := parquetfile.Columns(file, l.size)
	if err != nil {
		return nil, err
	}
	if l.table, err = newTable(filepath.Base(path), names, c); err != nil {
		return nil, err
	}
	for _, at := range l.table.at {
		l.columns = append(l.columns, names[at])
	}
	s, err := l.scanner()
	if err != nil {
		return nil, err
	}
	l.rows = s.Rows()
	return l, nil
}

func (l *parquetList) scanner() (*parquetfile.Scanner, error) {
	s, err := parquetfile.NewScanner(l.file, l.size, l.columns)
	if err == nil {
		l.open = append(l.open, s)
	}
	return s, err
}

// Len implements List.
func (l *parquetList) Len() int64 { return l.rows }

// Changed implements List.
func (l *parquetList) Changed() time.Time { return l.changed }

// Close implements List.
func (l *parquetList) Close() error {
	var errs []error
	for _, s := range l.open {
		errs = append(errs, s.Close())
	}
	if err := l.file.Close(); !errors.Is(err, os.ErrClosed) { // a scanner closes what it reads
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// From implements List. Row groups before n are not read.
func (l *parquetList) From(ctx context.Context, n int64) (func() ([]byte, error), error) {
	s, err := l.scanner()
	if err != nil {
		return nil, err
	}
	if err := s.SeekRow(n); err != nil {
		return nil, err
	}
	cells := make([]string, len(l.columns))
	return func() ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row, err := s.Next()
		if err != nil {
			return nil, err
		}
		for i := range row {
			cells[i] = cellOf(row[i], s.Kind(i), l.table.fields[i])
		}
		n++
		return l.table.value(n-1, cells, fmt.Sprintf("row %d", n-1), func() string { return l.row(cells) }), nil
	}, nil
}

// cellOf is a value as a table has it. Inline data that are bytes become base64, as references have them.
func cellOf(v parquetfile.Value, kind parquetfile.Kind, field string) string {
	switch {
	case v.Null:
		return ""
	case kind == parquetfile.Bytes && field == "inline":
		return base64.StdEncoding.EncodeToString([]byte(v.Text))
	case kind == parquetfile.Int:
		return strconv.FormatInt(v.Int, 10)
	case kind == parquetfile.Bool:
		return strconv.FormatBool(v.Int == 1)
	}
	return v.Text
}

// row is what a letter shows of a row.
func (l *parquetList) row(cells []string) string {
	shown := slices.Clone(cells)
	for i := range shown {
		shown[i] = l.columns[i] + "=" + shown[i]
	}
	return strings.Join(shown, " ")
}
