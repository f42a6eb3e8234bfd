package parquetfile

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
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

// Value is a cell of a column: text, or a whole number. A missing one is zero.
type Value struct {
	Text string
	Int  int64
}

// scanRows is how many rows are decoded at a time.
const scanRows = 4096

// Scan calls each for every row of a file with its values of some columns, which are text or whole numbers and no lists. Of the file it reads these columns alone, a row group's
// at a time, so it holds a few pages of them: damaged bytes are an error, whatever they say of lengths. The error of each ends it; row is valid during the call, texts stay.
func Scan(body io.ReaderAt, size int64, columns []string, each func(row []Value) error) (err error) {
	defer recovered(&err)
	r, err := open(body, size)
	if err != nil {
		return err
	}
	defer r.Close()
	schema := r.MetaData().Schema
	at := make([]int, len(columns))
	for i, name := range columns {
		if at[i] = schema.ColumnIndexByName(name); at[i] < 0 {
			return fmt.Errorf("it has no column %s", name)
		}
		if schema.Column(at[i]).MaxRepetitionLevel() > 0 {
			return fmt.Errorf("its column %s is a list", name)
		}
	}
	for g := range r.NumRowGroups() {
		if err := scanGroup(r.RowGroup(g), columns, at, each); err != nil {
			return err
		}
	}
	return nil
}

func scanGroup(g *file.RowGroupReader, columns []string, at []int, each func(row []Value) error) error {
	cells := make([]cells, len(at))
	for i := range at {
		col, err := g.Column(at[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", columns[i], err)
		}
		cells[i] = newCells(col, min(g.NumRows(), scanRows))
	}
	row := make([]Value, len(at))
	for left := g.NumRows(); left > 0; {
		n := min(left, scanRows)
		for i := range cells {
			if err := cells[i].read(int(n)); err != nil {
				return fmt.Errorf("column %s: %w", columns[i], err)
			}
		}
		for k := range int(n) {
			for i := range cells {
				row[i] = cells[i].values[k]
			}
			if err := each(row); err != nil {
				return err
			}
		}
		left -= n
	}
	return nil
}

// cells are the values of some rows of one column.
type cells struct {
	col    file.ColumnChunkReader
	values []Value
	levels []int16
	before string // the last text: one that comes again is not copied again
	texts  []parquet.ByteArray
	longs  []int64
	ints   []int32
}

func newCells(col file.ColumnChunkReader, n int64) cells {
	c := cells{col: col, values: make([]Value, n), levels: make([]int16, n)}
	switch col.(type) {
	case *file.ByteArrayColumnChunkReader:
		c.texts = make([]parquet.ByteArray, n)
	case *file.Int64ColumnChunkReader:
		c.longs = make([]int64, n)
	case *file.Int32ColumnChunkReader:
		c.ints = make([]int32, n)
	}
	return c
}

// read reads the next n values.
func (c *cells) read(n int) error {
	total, err := c.decode(int64(n))
	if err != nil {
		return err
	}
	if total != int64(n) {
		return fmt.Errorf("%w: %d values where %d rows are", ErrDamaged, total, n)
	}
	present := c.col.Descriptor().MaxDefinitionLevel()
	next := 0
	for k := range n {
		c.values[k] = Value{}
		if present == 0 || c.levels[k] == present {
			c.values[k] = c.value(next)
			next++
		}
	}
	return nil
}

// decode puts the values that are there into the slice of the column's type; c.levels says which rows they are of.
func (c *cells) decode(n int64) (total int64, err error) {
	switch col := c.col.(type) {
	case *file.ByteArrayColumnChunkReader:
		total, _, err = col.ReadBatch(n, c.texts, c.levels, nil)
	case *file.Int64ColumnChunkReader:
		total, _, err = col.ReadBatch(n, c.longs, c.levels, nil)
	case *file.Int32ColumnChunkReader:
		total, _, err = col.ReadBatch(n, c.ints, c.levels, nil)
	default:
		return 0, fmt.Errorf("is of type %v, neither text nor a whole number", c.col.Type())
	}
	return total, err
}

func (c *cells) value(i int) Value {
	switch {
	case c.texts != nil:
		if string(c.texts[i]) != c.before {
			c.before = string(c.texts[i])
		}
		return Value{Text: c.before}
	case c.longs != nil:
		return Value{Int: c.longs[i]}
	}
	return Value{Int: int64(c.ints[i])}
}
