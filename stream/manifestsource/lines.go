package manifestsource

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the most bytes of one line that are read: more than any inline payload with its attributes.
const MaxLine = 8 << 20

// sparse is how many lines lie between two entries of the index.
const sparse = 1024

// index knows how many lines a file has and where every sparse-th begins.
type index struct {
	size   int64 // bytes that were there when the lines were counted; later ones are not read
	lines  int64
	starts []int64
}

// lineReader reads lines without their ends.
type lineReader struct {
	r    *bufio.Reader
	pos  int64 // bytes consumed
	line []byte
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
