package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// buffers are what the library unpacks into, kept as it keeps them.
var buffers = sync.Pool{New: func() any { return memory.NewResizableBuffer(allocator{memory.DefaultAllocator}) }}

// levelled is a column's pages, of which each has as many levels as it has values. The library goes round for ever in a page that has fewer: it waits for values, and
// none come.
type levelled struct {
	file.PageReader
	col *schema.Column
	err error
}

// column reads a column of a row group.
func column(g *file.RowGroupReader, i int) (file.ColumnChunkReader, error) {
	pages, err := g.GetColumnPageReader(i)
	if err != nil {
		return nil, err
	}
	col := g.MetaData().Schema.Column(i)
	return file.NewColumnReader(col, &levelled{PageReader: pages, col: col}, allocator{memory.DefaultAllocator}, &buffers), nil
}

// Next implements file.PageReader.
func (l *levelled) Next() bool {
	if !l.PageReader.Next() {
		return false
	}
	if p, ok := l.Page().(*file.DataPageV1); ok {
		l.err = l.check(p)
	}
	return l.err == nil
}

// Err implements file.PageReader.
func (l *levelled) Err() error {
	if l.err != nil {
		return l.err
	}
	return l.PageReader.Err()
}

func (l *levelled) check(p *file.DataPageV1) error {
	body, values := p.Data(), int(p.NumValues())
	for _, level := range []struct {
		most     int16
		encoding parquet.Encoding
	}{{l.col.MaxRepetitionLevel(), p.RepetitionLevelEncoding()}, {l.col.MaxDefinitionLevel(), p.DefinitionLevelEncoding()}} {
		if level.most == 0 {
			continue
		}
		if level.encoding != parquet.Encodings.RLE { // what no writer of this century makes
			return fmt.Errorf("levels in the encoding %v; RLE is read", level.encoding)
		}
		if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
			return fmt.Errorf("%w: the levels of a page", ErrDamaged)
		}
		end := 4 + int(binary.LittleEndian.Uint32(body))
		if runs(body[4:end], bits.Len16(uint16(level.most)), values) < values {
			return fmt.Errorf("%w: a page of %d values has fewer levels", ErrDamaged, values)
		}
		body = body[end:]
	}
	switch parquet.Encoding(p.Encoding()) {
	case parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray:
		return l.delta(body, values)
	}
	return nil
}

// runs counts the values of the hybrid of run lengths and bit packing, until there are enough.
func runs(in []byte, width, enough int) (n int) {
	for n < enough {
		head, read := binary.Uvarint(in)
		if read <= 0 {
			return n
		}
		in = in[read:]
		count := head >> 1
		if count > uint64(enough) {
			count = uint64(enough) // as good as more, and no product overflows
		}
		if head&1 == 0 {
			if len(in) == 0 {
				return n
			}
			in = in[1:] // a level is below 256
			n += int(count)
			continue
		}
		size := int(count) * width
		n += 8 * min(size, len(in)) / width
		in = in[min(size, len(in)):]
	}
	return n
}

// delta looks at the header of a block of deltas: blocks have to have values, and a column without levels as many as the page says.
func (l *levelled) delta(in []byte, values int) error {
	var header [3]uint64 // values of a block, its parts, values in all
	for i := range header {
		n, read := binary.Uvarint(in)
		if read <= 0 {
			return fmt.Errorf("%w: the header of deltas", ErrDamaged)
		}
		header[i], in = n, in[read:]
	}
	size, parts, total := header[0], header[1], header[2]
	switch {
	case size == 0 || size > mostPage || parts == 0 || size%parts != 0 || size/parts%32 != 0:
		return fmt.Errorf("%w: deltas in blocks of %d values and %d parts", ErrDamaged, size, parts)
	case l.col.MaxDefinitionLevel() == 0 && total < uint64(values):
		return fmt.Errorf("%w: a page of %d values has %d deltas", ErrDamaged, values, total)
	}
	return nil
}
