package parquetfile

import (
	"errors"
	"io"
)

// Metadata is the key-value metadata of a file, or of a file's end: the last bytes that hold the footer.
func Metadata(body io.ReaderAt, size int64) (map[string]string, error) {
	footer, err := footerBytes(body, size)
	if err != nil {
		return nil, err
	}
	meta, err := parse(footer)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, kv := range meta.FileMetaData.KeyValueMetadata {
		m[kv.Key] = kv.GetValue()
	}
	return m, nil
}

// Value is a cell of a column: text, or a whole number, or a truth as 1 or 0. One that is not there is null, and zero.
type Value struct {
	Text string
	Int  int64
	Null bool
}

// Scan calls each for every row of a file with its values of some columns, as [Scanner] has them. The error of each ends it; row is valid during the call, texts stay.
func Scan(body io.ReaderAt, size int64, columns []string, each func(row []Value) error) error {
	s, err := NewScanner(body, size, columns)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // only read
	for {
		row, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}
