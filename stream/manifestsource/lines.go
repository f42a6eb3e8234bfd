package manifestsource

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"vecmill/schemas"
)

// MaxLine is the most bytes of one line that are read: more than any inline payload with its attributes.
const MaxLine = 8 << 20

// sparse is how many lines lie between two entries of the index.
const sparse = 1024

// index knows how many lines a file has and where every sparse-th begins.
type index struct {
	size   int64 // bytes that were there when the lines were counted; later ones are not read
	lines  int64
	cut    bool // the last one has no end
	starts []int64
}

// lineReader reads lines without their ends.
type lineReader struct {
	r    *bufio.Reader
	pos  int64 // bytes consumed
	line []byte
	cut  bool // it has no end
}

func newLineReader(r io.Reader, pos int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), pos: pos}
}

// next gives the next line, cut at MaxLine, or io.EOF. It is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	began := l.pos
	for {
		part, err := l.r.ReadSlice('\n')
		l.pos += int64(len(part))
		l.line = append(l.line, part[:min(len(part), MaxLine+2-len(l.line))]...) // 2: the end of a line that just fits
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && l.pos == began:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		l.cut = err != nil
		line := bytes.TrimSuffix(bytes.TrimSuffix(l.line, []byte("\n")), []byte("\r"))
		return line[:min(len(line), MaxLine)], nil
	}
}

func buildIndex(r io.Reader) (*index, error) {
	ix := &index{}
	l := newLineReader(r, 0)
	for {
		at := l.pos
		if _, err := l.next(); errors.Is(err, io.EOF) {
			ix.size = l.pos
			return ix, nil
		} else if err != nil {
			return nil, fmt.Errorf("counting lines: %w", err)
		}
		if ix.lines%sparse == 0 {
			ix.starts = append(ix.starts, at)
		}
		ix.lines++
		ix.cut = l.cut
	}
}

// from gives a reader whose next line is number n, which is at most ix.lines.
func (ix *index) from(r io.ReaderAt, n int64) (*lineReader, error) {
	if n >= ix.lines {
		return newLineReader(bytes.NewReader(nil), ix.size), nil
	}
	at := ix.starts[n/sparse]
	l := newLineReader(io.NewSectionReader(r, at, ix.size-at), at)
	for range n % sparse {
		if _, err := l.next(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// lines is a file with a value on each line. It implements List.
type lines struct {
	File
	at *Place
	ix *index
}

func openLines(ctx context.Context, f File, at *Place) (*lines, error) {
	ix, err := buildIndex(&cancellable{ctx, io.NewSectionReader(f, 0, f.Size())})
	return &lines{f, at, ix}, err
}

// Len implements List.
func (l *lines) Len() int64 { return l.ix.lines }

// Whole implements growing: a last line without its end counts if it is a reference.
func (l *lines) Whole(ctx context.Context) (int64, error) {
	if !l.ix.cut || l.at.Fixed {
		return l.ix.lines, nil
	}
	next, err := l.From(ctx, l.ix.lines-1)
	if err != nil {
		return 0, err
	}
	last, err := next()
	if err != nil {
		return 0, err
	}
	if _, err := schemas.ParseRef(last); err != nil {
		return l.ix.lines - 1, nil
	}
	return l.ix.lines, nil
}

// From implements List.
func (l *lines) From(_ context.Context, n int64) (func() ([]byte, error), error) {
	r, err := l.ix.from(l.File, n)
	if err != nil {
		return nil, err
	}
	return func() ([]byte, error) {
		line, err := r.next()
		if err != nil {
			return nil, err
		}
		n++
		return l.value(value(line, n-1), n), nil
	}, nil
}

// value is the value of a line, whose number from 1 whoever reads it knows; where the list's name is to be told, too, it is told here.
func (l *lines) value(line []byte, number int64) []byte {
	if line == nil || !l.at.Named {
		return line
	}
	if _, err := schemas.ParseRef(line); err != nil {
		return schemas.NoRef{Why: fmt.Sprintf("%s: %v", l.at.row("line", number), errors.Unwrap(err)), Row: string(line)}.JSON()
	}
	return line
}

// value is what a line says; a blank one is nil, a tombstone. A byte order mark, which some editors write, is not part of the first line.
func value(line []byte, number int64) []byte {
	if number == 0 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	return line
}

// cancellable ends a long count with its context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
