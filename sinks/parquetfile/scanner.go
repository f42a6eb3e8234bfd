package parquetfile

import (
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// Kind is what the values of a column are.
type Kind int

// Kinds of columns that are scanned. Bytes need not be text: the file does not say that they are.
const (
	Text Kind = iota
	Bytes
	Int
	Bool
)

// scanRows is how many rows are decoded at a time.
const scanRows = 4096

// Scanner reads some columns of a file, which are no lists, row by row. Of the file it reads these columns alone, a row group's at a time, so it holds a few pages of
// them: damaged bytes are an error, whatever they say of lengths. It is for one goroutine.
type Scanner struct {
	r       *file.Reader
	columns []string
	at      []int
	kinds   []Kind
	group   int     // the row group to open next
	left    int64   // rows of the open one that are not decoded yet
	cells   []cells // of the open one
	decoded int     // rows in cells
	next    int     // of these
	row     []Value
}

// NewScanner opens a file and finds its columns; a nested one's name has dots.
func NewScanner(body io.ReaderAt, size int64, columns []string) (_ *Scanner, err error) {
	defer recovered(&err)
	r, err := open(body, size)
	if err != nil {
		return nil, err
	}
	s := &Scanner{r: r, columns: columns, row: make([]Value, len(columns))}
	for _, name := range columns {
		i := r.MetaData().Schema.ColumnIndexByName(name)
		if i < 0 {
			return nil, fmt.Errorf("it has no column %s", name)
		}
		col := r.MetaData().Schema.Column(i)
		if col.MaxRepetitionLevel() > 0 {
			return nil, fmt.Errorf("its column %s is a list", name)
		}
		kind, ok := kindOf(col)
		if !ok {
			return nil, fmt.Errorf("its column %s is of type %v, neither text nor a whole number", name, col.PhysicalType())
		}
		s.at, s.kinds = append(s.at, i), append(s.kinds, kind)
	}
	return s, nil
}

// Columns are the names of a file's columns, those of lists left out.
func Columns(body io.ReaderAt, size int64) (names []string, err error) {
	defer recovered(&err)
	r, err := open(body, size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for i := range r.MetaData().Schema.NumColumns() {
		if col := r.MetaData().Schema.Column(i); col.MaxRepetitionLevel() == 0 {
			names = append(names, strings.Join(col.ColumnPath(), "."))
		}
	}
	return names, nil
}

func kindOf(col *schema.Column) (Kind, bool) {
	switch col.PhysicalType() {
	case parquet.Types.ByteArray:
		if _, text := col.LogicalType().(schema.StringLogicalType); text {
			return Text, true
		}
		return Bytes, true
	case parquet.Types.Int64, parquet.Types.Int32:
		return Int, true
	case parquet.Types.Boolean:
		return Bool, true
	}
	return 0, false
}

// Rows is the number of rows of the file.
func (s *Scanner) Rows() int64 { return s.r.NumRows() }

// Kind is that of the column with a number in the list that NewScanner took.
func (s *Scanner) Kind(i int) Kind { return s.kinds[i] }

// Close lets go of the file.
func (s *Scanner) Close() error { return s.r.Close() }

// SeekRow has Next give row number n, from 0. Row groups before it are not read; of its own, the rows before it are.
func (s *Scanner) SeekRow(n int64) error {
	s.left, s.decoded, s.next = 0, 0, 0
	for s.group = 0; s.group < s.r.NumRowGroups(); s.group++ {
		rows := s.r.MetaData().RowGroup(s.group).NumRows()
		if n < rows {
			break
		}
		n -= rows
	}
	for n > 0 {
		if err := s.decode(); err != nil {
			return err
		}
		s.next = int(min(n, int64(s.decoded)))
		n -= int64(s.next)
	}
	return nil
}

// Next gives the next row's values, in the order of the columns, or io.EOF. They are valid until the next call; texts stay.
func (s *Scanner) Next() ([]Value, error) {
	if s.next == s.decoded {
		if err := s.decode(); err != nil {
			return nil, err
		}
	}
	for i := range s.cells {
		s.row[i] = s.cells[i].values[s.next]
	}
	s.next++
	return s.row, nil
}

// decode reads the next rows, one at least, or gives io.EOF.
func (s *Scanner) decode() (err error) {
	defer recovered(&err)
	s.decoded, s.next = 0, 0
	for s.left == 0 {
		if s.group >= s.r.NumRowGroups() {
			return io.EOF
		}
		if err := s.openGroup(); err != nil {
			return err
		}
	}
	n := int(min(s.left, scanRows))
	for i := range s.cells {
		if err := s.cells[i].read(n); err != nil {
			return fmt.Errorf("column %s: %w", s.columns[i], err)
		}
	}
	s.left -= int64(n)
	s.decoded = n
	return nil
}

func (s *Scanner) openGroup() error {
	g := s.r.RowGroup(s.group)
	s.cells = s.cells[:0]
	for i := range s.at {
		col, err := column(g, s.at[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", s.columns[i], err)
		}
		s.cells = append(s.cells, newCells(col, min(g.NumRows(), scanRows)))
	}
	s.group++
	s.left = g.NumRows()
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
	truths []bool
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
	case *file.BooleanColumnChunkReader:
		c.truths = make([]bool, n)
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
		c.values[k] = Value{Null: true}
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
	case *file.BooleanColumnChunkReader:
		total, _, err = col.ReadBatch(n, c.truths, c.levels, nil)
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
	case c.truths != nil:
		if c.truths[i] {
			return Value{Int: 1}
		}
		return Value{}
	}
	return Value{Int: int64(c.ints[i])}
}
