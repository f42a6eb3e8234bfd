package manifestsource

import (
	"context"
	"errors"

	"vecmill/sinks/parquetfile"
)

// parquetList is a Parquet file with a reference on each row. It implements Table.
type parquetList struct {
	File
	at     *Place
	values *Rows
	rows   int64
	fields string
	open   []*parquetfile.Scanner
}

func openParquet(f File, at *Place, c Columns) (*parquetList, error) {
	l := &parquetList{File: f, at: at}
	names, err := parquetfile.Columns(f, f.Size())
	if err != nil {
		return nil, err
	}
	if l.values, err = NewRows(at.Name, names, c); err != nil {
		return nil, err
	}
	s, err := l.scanner()
	if err != nil {
		return nil, err
	}
	l.rows, l.fields = s.Rows(), l.values.table.text(l.values.Columns, func(i int) string { return kinds[s.Kind(i)] })
	return l, nil
}

func (l *parquetList) scanner() (*parquetfile.Scanner, error) {
	s, err := parquetfile.NewScanner(l.File, l.Size(), l.values.Columns)
	if err == nil {
		l.open = append(l.open, s)
	}
	return s, err
}

// Len implements List.
func (l *parquetList) Len() int64 { return l.rows }

// Fields implements Table.
func (l *parquetList) Fields() string { return l.fields }

// kinds of columns, for people.
var kinds = map[parquetfile.Kind]string{parquetfile.Text: "text", parquetfile.Bytes: "bytes", parquetfile.Int: "whole number", parquetfile.Bool: "truth"}

// Close implements List.
func (l *parquetList) Close() error {
	var errs []error
	for _, s := range l.open {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, l.File.Close())...)
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
		return l.values.Value(n-1, l.at.row("row", n-1), row, s.Kind), nil
	}, nil
}
