package manifestsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"vecmill/sinks/parquetfile"
)

// parquetList is a Parquet file with a reference on each row. It implements List.
type parquetList struct {
	file    *os.File
	size    int64
	changed time.Time
	values  *Rows
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
	if l.values, err = NewRows(filepath.Base(path), names, c); err != nil {
		return nil, err
	}
	s, err := l.scanner()
	if err != nil {
		return nil, err
	}
	l.rows = s.Rows()
	return l, nil
}

func (l *parquetList) scanner() (*parquetfile.Scanner, error) {
	s, err := parquetfile.NewScanner(l.file, l.size, l.values.Columns)
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
	return func() ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row, err := s.Next()
		if err != nil {
			return nil, err
		}
		n++
		return l.values.Value(n-1, fmt.Sprintf("row %d", n-1), row, s.Kind), nil
	}, nil
}
