package inventory

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/md5" //nolint:gosec // what the store says of its files; it guards against damage, not against people
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"vecmill/internal/backfill/listing"
	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
)

// Row is one row of a file.
type Row struct {
	Bucket string
	listing.Object
	Latest bool           // false: an older version, or a delete marker
	Fault  *schemas.NoRef // not nil: the row cannot be read, and nothing else of it is there
}

// readAhead is how much of a compressed file is asked for at once.
const (
	readAhead = 8 << 20
	block     = 4 << 10 // of a file that is smaller
)

// Each calls each for every row of a file from row number from on. A row that cannot be read has a Fault; a file that cannot is an error.
func (m *Manifest) Each(ctx context.Context, f File, body io.ReaderAt, from int64, each func(n int64, r *Row) error) error {
	read := m.csv
	if m.Format == "Parquet" {
		read = m.parquet
	}
	if err := read(ctx, f, body, from, each); err != nil {
		return fmt.Errorf("the inventory's file %s: %w", f.Key, err)
	}
	return nil
}

func (m *Manifest) csv(ctx context.Context, f File, body io.ReaderAt, from int64, each func(n int64, r *Row) error) error {
	sum := md5.New() //nolint:gosec // as above
	raw := io.TeeReader(bufio.NewReaderSize(io.NewSectionReader(body, 0, f.Size), int(min(readAhead, max(f.Size, block)))), sum)
	z, err := gzip.NewReader(raw)
	if err != nil {
		return err
	}
	c := csv.NewReader(z)
	c.FieldsPerRecord, c.ReuseRecord = len(m.columns), true
	for n := int64(0); ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		bad, isBad := errors.AsType[*csv.ParseError](err)
		if err != nil && !isBad {
			return err
		}
		if n < from {
			continue
		}
		r := Row{Bucket: m.Bucket, Latest: true}
		if isBad {
			err = bad.Err
		} else {
			err = r.fill(m.columns, cells)
		}
		if err != nil {
			r.Fault = &schemas.NoRef{Why: fmt.Sprintf("row %d of the inventory's file %s: %v", n, f.Key, err), Row: strings.Join(cells, ",")}
		}
		if err := each(n, &r); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, raw); err != nil { // behind the last compressed byte
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); f.MD5 != "" && !strings.EqualFold(got, f.MD5) {
		return fmt.Errorf("its MD5 is %s, and manifest.json says %s: it was changed or damaged", got, f.MD5)
	}
	return nil
}

// fill takes the cells of a row in CSV.
func (r *Row) fill(columns, cells []string) (err error) {
	for i, name := range columns {
		switch cell := cells[i]; name {
		case "bucket":
			r.Bucket = cell
		case "key":
			if r.Key, err = url.QueryUnescape(cell); err != nil {
				return fmt.Errorf("its key: %w", err)
			}
		case "size":
			if r.Size, err = number(cell); err != nil {
				return fmt.Errorf("its size: %w", err)
			}
		case "etag":
			r.ETag = strings.Trim(cell, `"`)
		case "islatest":
			r.Latest = r.Latest && cell != "false"
		case "isdeletemarker":
			r.Latest = r.Latest && cell != "true"
		}
	}
	return r.check()
}

func number(s string) (int64, error) {
	if s == "" { // of a delete marker
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

func (r *Row) check() error {
	if r.Key == "" {
		return errors.New("it has no key")
	}
	return nil
}

func (m *Manifest) parquet(ctx context.Context, f File, body io.ReaderAt, from int64, each func(n int64, r *Row) error) error {
	names, err := parquetfile.Columns(body, f.Size)
	if err != nil {
		return err
	}
	var columns, words []string
	for _, name := range names {
		switch word := plain(name); word {
		case "bucket", "key", "size", "etag", "islatest", "isdeletemarker":
			columns, words = append(columns, name), append(words, word)
		}
	}
	s, err := parquetfile.NewScanner(body, f.Size, columns)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // only read
	if err := s.SeekRow(from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for n := from; ; n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		cells, err := s.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r := Row{Bucket: m.Bucket, Latest: true}
		r.take(words, cells)
		if err := r.check(); err != nil {
			r.Fault = &schemas.NoRef{Why: fmt.Sprintf("row %d of the inventory's file %s: %v", n, f.Key, err)}
		}
		if err := each(n, &r); err != nil {
			return err
		}
	}
}

// take takes the cells of a row in Parquet, whose keys are not escaped.
func (r *Row) take(words []string, cells []parquetfile.Value) {
	for i, word := range words {
		switch cell := cells[i]; word {
		case "bucket":
			r.Bucket = cell.Text
		case "key":
			r.Key = cell.Text
		case "size":
			r.Size = cell.Int
		case "etag":
			r.ETag = strings.Trim(cell.Text, `"`)
		case "islatest":
			r.Latest = r.Latest && (cell.Null || cell.Int == 1)
		case "isdeletemarker":
			r.Latest = r.Latest && cell.Int == 0
		}
	}
}
