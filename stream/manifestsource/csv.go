package manifestsource

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// rows cuts a file into the rows of a table, each with its ends of lines: a row ends at the end of a line that is in no quotes. One that does not, within MaxLine bytes and as CSV
// has it, is a fault of its first line alone: the next row begins behind that, so that a quote too many costs a row and not the rest of the file.
type rows struct {
	file    io.ReaderAt
	size    int64
	comma   rune
	columns int // of the table; 0: not known yet

	r    *bufio.Reader
	pos  int64 // where the next row begins
	line int64 // and its line, from 1
	row  []byte
	cut  bool // the file ends in it, and it may have more
}

func newRows(file io.ReaderAt, size int64, comma rune) *rows {
	r := &rows{file: file, size: size, comma: comma, r: bufio.NewReaderSize(nil, 64<<10), line: 1}
	r.seek(0, 1)
	return r
}

func (r *rows) seek(pos, line int64) {
	r.pos, r.line = pos, line
	r.r.Reset(io.NewSectionReader(r.file, pos, r.size-pos))
}

// next gives the next row, cut at MaxLine, and the number of its first line; or io.EOF. It is valid until the next call.
func (r *rows) next() (row []byte, line int64, err error) {
	r.row, r.cut = r.row[:0], false
	line = r.line
	first, length, lines, ended := int64(0), int64(0), int64(0), true
	q := quoting{comma: byte(r.comma)}
	for lines == 0 || q.open() {
		n, err := r.physical(&q)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, line, err
		}
		if n == 0 {
			if lines == 0 {
				return nil, line, io.EOF
			}
			r.cut = true // in quotes at the end of the file
			break
		}
		ended = err == nil
		lines++
		length += n
		if lines == 1 {
			first = n
		}
		if q.open() && length > MaxLine {
			break
		}
	}
	r.cut = r.cut || !ended
	if lines > 1 && (q.open() || !r.sound()) {
		r.cut = r.cut && !r.rowsFrom(first)
		r.row = r.row[:min(first, int64(len(r.row)))]
		r.seek(r.pos+first, line+1)
		return r.row, line, nil
	}
	r.pos, r.line = r.pos+length, line+lines
	return r.row, line, nil
}

// quoting is whether what was read of a row ends in quotes. Only a quote that begins a cell opens any: one in the middle is a fault of its row.
type quoting struct {
	comma byte
	in    where
}

type where int

const (
	cellBegins where = iota
	unquoted
	quoted
	afterQuote // in quotes: it is the last one, or the first of two that stand for one
)

func (q *quoting) read(part []byte) {
	for _, b := range part {
		switch {
		case q.in == quoted && b == '"':
			q.in = afterQuote
		case q.in == quoted:
		case b == '"' && (q.in == cellBegins || q.in == afterQuote):
			q.in = quoted
		case b == q.comma || b == '\n':
			q.in = cellBegins
		case q.in == cellBegins || q.in == afterQuote && b != '\r':
			q.in = unquoted
		}
	}
}

func (q *quoting) open() bool { return q.in == quoted }

// rowsFrom says whether the ended lines from there on are rows of their own, as far as that can be told: then the one before them has a quote too many, and is no cell of several lines that is being written.
func (r *rows) rowsFrom(first int64) bool {
	all, sound := 0, 0
	for line := range bytes.Lines(r.row[min(first, int64(len(r.row))):]) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		all++
		if c, err := cells(line, r.comma); err == nil && len(c) == r.columns {
			sound++
		}
	}
	const many = 16 // lines of a text that all happen to have so many commas
	return r.columns > 1 && all >= many && sound*10 >= all*9
}

// physical appends a line to the row, up to MaxLine bytes, and gives its length.
func (r *rows) physical(q *quoting) (n int64, err error) {
	for {
		part, err := r.r.ReadSlice('\n')
		if r.pos == 0 && n == 0 && len(r.row) == 0 {
			q.read(bytes.TrimPrefix(part, []byte("\ufeff")))
		} else {
			q.read(part)
		}
		n += int64(len(part))
		r.row = append(r.row, part[:min(len(part), MaxLine-len(r.row))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// sound says whether several lines are one row.
func (r *rows) sound() bool {
	if len(r.row) >= MaxLine {
		return false
	}
	row := r.row
	if r.pos == 0 {
		row = bytes.TrimPrefix(row, []byte("\ufeff"))
	}
	_, err := cells(row, r.comma)
	return err == nil
}

// cells takes a row apart.
func cells(row []byte, comma rune) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(row))
	c.Comma, c.FieldsPerRecord = comma, -1
	all, err := c.Read()
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, p.Err
	}
	if err != nil {
		return nil, err
	}
	if c.InputOffset() != int64(len(row)) {
		return nil, csv.ErrBareQuote // it ended before its last line
	}
	return all, nil
}

// place is where a row begins.
type place struct{ pos, line int64 }

// csvList is a file with a table as CSV, whose first row names the columns. It implements Table.
type csvList struct {
	File
	at      *Place
	comma   rune
	columns []string
	table   *table
	rows    int64
	whole   int64   // those before the one that the file ends in
	starts  []place // of every sparse-th row
}

func openCSV(ctx context.Context, f File, at *Place, comma rune, c Columns) (*csvList, error) {
	l := &csvList{File: f, at: at, comma: comma}
	return l, l.count(ctx, c)
}

// count reads the header, and the file once to know where its rows are.
func (l *csvList) count(ctx context.Context, c Columns) error {
	r := newRows(&cancellableAt{ctx, l.File}, l.Size(), l.comma)
	head, _, err := r.next()
	if errors.Is(err, io.EOF) {
		return Unfit(errors.New("it is empty, and its first line should name the columns"))
	}
	if err != nil {
		return err
	}
	names, err := cells(bytes.TrimPrefix(head, []byte("\ufeff")), l.comma)
	if err != nil {
		return Unfit(fmt.Errorf("its first line should name the columns: %w", err))
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	l.columns, r.columns = names, len(names)
	if l.table, err = newTable(l.at.Name, names, c); err != nil {
		return err
	}
	for cut := false; ; {
		at := place{r.pos, r.line}
		if _, _, err := r.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("counting rows: %w", err)
		}
		if l.rows%sparse == 0 {
			l.starts = append(l.starts, at)
		}
		l.rows++
		if cut = cut || r.cut; !cut {
			l.whole = l.rows
		}
	}
}

// Len implements List.
func (l *csvList) Len() int64 { return l.rows }

// Whole implements growing: whether a cell is cut nothing says but the end of its line.
func (l *csvList) Whole(context.Context) (int64, error) {
	if l.at.Fixed {
		return l.rows, nil
	}
	return l.whole, nil
}

// Fields implements Table: a cell is text.
func (l *csvList) Fields() string {
	var names []string
	for _, at := range l.table.at {
		names = append(names, l.columns[at])
	}
	return l.table.text(names, func(int) string { return "text" })
}

// From implements List.
func (l *csvList) From(_ context.Context, n int64) (func() ([]byte, error), error) {
	r := newRows(l.File, l.Size(), l.comma)
	if n >= l.rows {
		r.seek(l.Size(), 0)
	} else {
		at := l.starts[n/sparse]
		r.seek(at.pos, at.line)
		for range n % sparse {
			if _, _, err := r.next(); err != nil {
				return nil, err
			}
		}
	}
	return func() ([]byte, error) {
		row, line, err := r.next()
		if err != nil {
			return nil, err
		}
		n++
		return l.value(n-1, row, line), nil
	}, nil
}

// value is the reference of a row; a blank line is nil, a tombstone.
func (l *csvList) value(n int64, row []byte, line int64) []byte {
	if len(bytes.TrimSpace(row)) == 0 {
		return nil
	}
	at, text := l.at.row("line", line), func() string { return strings.TrimRight(string(row), "\r\n") }
	if len(row) >= MaxLine {
		return noRef(at, fmt.Errorf("it is longer than %d bytes", MaxLine), text())
	}
	all, err := cells(row, l.comma)
	if err == nil && len(all) != len(l.columns) {
		err = fmt.Errorf("it has %d fields, and the first line has %d", len(all), len(l.columns))
	}
	if err != nil {
		return noRef(at, err, text())
	}
	mine := make([]string, len(l.table.at))
	for i, k := range l.table.at {
		mine[i] = all[k]
	}
	return l.table.value(n, mine, at, text)
}

// cancellableAt ends a long count with its context.
type cancellableAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (c *cancellableAt) ReadAt(b []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.ReadAt(b, off)
}
