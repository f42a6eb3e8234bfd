package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/klauspost/compress/zstd"
)

// ErrDamaged says that a Parquet file's own words do not fit its bytes.
var ErrDamaged = errors.New("the file is damaged")

// The library takes every length in a file at its word, and asks for that much memory. So before it gets them, lengths are compared with the bytes that are there.
const (
	mostColumns = 4096      // a schema is read by recursion
	mostPage    = 256 << 20 // of a page, decompressed; row groups are written with 32 MiB, or one row
	mostBuffer  = 512 << 20 // of decoded values
)

// open gives the library a file whose footer is sound, and its column chunks as they are asked for, if they are. The Arrow schema that writers keep in the footer is
// taken away: it is a message of another format, with lengths of its own, and says nothing that the rows' columns need.
func open(body io.ReaderAt, size int64) (*file.Reader, error) {
	footer, err := footerBytes(body, size)
	if err != nil {
		return nil, err
	}
	meta, err := parse(footer)
	if err != nil {
		return nil, err
	}
	meta.FileMetaData.KeyValueMetadata = nil
	chunks, err := places(meta, size)
	if err != nil {
		return nil, err
	}
	src := io.NewSectionReader(&source{body, chunks}, 0, size)
	return file.NewParquetReader(src, file.WithMetadata(meta), file.WithReadProps(parquet.NewReaderProperties(allocator{memory.DefaultAllocator})))
}

// footerBytes are the bytes of a file's FileMetaData.
func footerBytes(body io.ReaderAt, size int64) ([]byte, error) {
	var end [8]byte
	if size < 12 {
		return nil, ErrNotParquet
	}
	if _, err := io.ReadFull(io.NewSectionReader(body, size-8, 8), end[:]); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != magic || length > size-12 {
		return nil, ErrNotParquet
	}
	footer := make([]byte, length)
	_, err := io.ReadFull(io.NewSectionReader(body, size-8-length, length), footer)
	return footer, err
}

// parse reads a FileMetaData whose every length fits.
func parse(footer []byte) (meta *metadata.FileMetaData, err error) {
	defer recovered(&err)
	r := compact{in: footer}
	for f := r.field(0); f.kind != 0 && r.err == nil; f = r.field(f.id) {
		if f.id == 2 && f.kind == kindList && !(&compact{in: footer, at: r.at}).tree() {
			return nil, fmt.Errorf("%w: its schema", ErrDamaged)
		}
		r.skip(f)
	}
	if r.err != nil {
		return nil, r.err
	}
	return metadata.NewFileMetaData(footer, nil)
}

// tree says whether a list of schema elements is as long as its parents say.
func (r *compact) tree() bool {
	n, kind := r.list()
	if kind != kindStruct || n > mostColumns {
		return false
	}
	children := 0
	for range n {
		children += min(r.element().children, mostColumns)
	}
	return r.err == nil && children == n-1
}

// recovered makes an error of a panic, which is the library's answer to much damage.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, v)
	}
}

// chunk is a column's pages in a row group.
type chunk struct {
	length int64
	codec  compress.Compression
}

// places are the column chunks of a file by where they begin. Each lies inside the file.
func places(meta *metadata.FileMetaData, size int64) (out map[int64]chunk, err error) {
	defer recovered(&err)
	out = map[int64]chunk{}
	rows := int64(0)
	for g := range meta.RowGroups {
		group := meta.RowGroup(g)
		if group.NumColumns() != meta.Schema.NumColumns() || group.NumRows() < 0 {
			return nil, fmt.Errorf("%w: row group %d has %d columns and %d rows", ErrDamaged, g, group.NumColumns(), group.NumRows())
		}
		rows += group.NumRows()
		for i := range group.NumColumns() {
			col, err := group.ColumnChunk(i)
			if err != nil {
				return nil, err
			}
			begin := col.DataPageOffset()
			if col.HasDictionaryPage() && col.DictionaryPageOffset() > 0 {
				begin = min(begin, col.DictionaryPageOffset())
			}
			c := chunk{col.TotalCompressedSize(), col.Compression()}
			switch {
			case begin < 0 || c.length < 0 || begin > size || c.length > size-begin || col.FilePath() != "":
				return nil, fmt.Errorf("%w: column %d of row group %d is not inside of it", ErrDamaged, i, g)
			case c.codec != compress.Codecs.Uncompressed && c.codec != compress.Codecs.Snappy && c.codec != compress.Codecs.Zstd:
				return nil, fmt.Errorf("column %d of row group %d is compressed with %v, which is not written here", i, g, c.codec)
			case col.CryptoMetadata() != nil:
				return nil, fmt.Errorf("column %d of row group %d is encrypted", i, g)
			}
			if other, ok := out[begin]; ok && other != c && other.length > 0 && c.length > 0 {
				return nil, fmt.Errorf("%w: two columns begin at byte %d", ErrDamaged, begin)
			}
			if c.length > 0 {
				out[begin] = c
			}
		}
	}
	if rows != meta.NumRows {
		return nil, fmt.Errorf("%w: it has %d rows, and says %d", ErrDamaged, rows, meta.NumRows)
	}
	return out, nil
}

// source is a file of which the library reads one column chunk at a time.
type source struct {
	body   io.ReaderAt
	chunks map[int64]chunk
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.body.ReadAt(p, off)
	if c, ok := s.chunks[off]; ok && int64(n) >= c.length {
		if bad := pages(p[:c.length], c.codec); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// Kinds of pages.
const (
	dataPage       = 0
	dictionaryPage = 2
)

// page is what a page's header says.
type page struct {
	kind, whole, stored, values int
}

// pages goes through the pages of a column chunk.
func pages(in []byte, codec compress.Compression) error {
	for len(in) > 0 {
		r := compact{in: in}
		p := r.page()
		if r.err != nil || p.stored < 0 || p.stored > len(in)-r.at || p.whole < 0 || p.values < 0 {
			return fmt.Errorf("%w: a page's header", ErrDamaged)
		}
		body := in[r.at : r.at+p.stored]
		in = in[r.at+p.stored:]
		switch {
		case p.kind != dataPage && p.kind != dictionaryPage:
			return fmt.Errorf("a page of kind %d, which is not written here", p.kind)
		case p.whole > mostPage:
			return fmt.Errorf("%w: a page of %d bytes", ErrDamaged, p.whole)
		case p.kind == dictionaryPage && p.values > p.whole:
			return fmt.Errorf("%w: a dictionary of %d values in %d bytes", ErrDamaged, p.values, p.whole)
		case !unpacks(body, p.whole, codec):
			return fmt.Errorf("%w: a page is not of the %d bytes that its header says", ErrDamaged, p.whole)
		}
	}
	return nil
}

// page reads a PageHeader.
func (r *compact) page() (p page) {
	for f := r.field(0); f.kind != 0 && r.err == nil; f = r.field(f.id) {
		switch {
		case f.id == 1 && f.kind == kindI32:
			p.kind = r.integer()
		case f.id == 2 && f.kind == kindI32:
			p.whole = r.integer()
		case f.id == 3 && f.kind == kindI32:
			p.stored = r.integer()
		case (f.id == 5 || f.id == 7) && f.kind == kindStruct: // DataPageHeader, DictionaryPageHeader: num_values is their first field
			at := r.at
			if n := r.field(0); n.id == 1 && n.kind == kindI32 {
				p.values = r.integer()
			}
			r.at = at
			r.skip(f)
		default:
			r.skip(f)
		}
	}
	return p
}

// unpacks says whether a page's body becomes as many bytes as its header says, by the body's own word, which the codecs keep.
func unpacks(body []byte, whole int, codec compress.Compression) bool {
	switch codec {
	case compress.Codecs.Snappy:
		n, read := binary.Uvarint(body)
		return read > 0 && n == uint64(whole)
	case compress.Codecs.Zstd:
		return frame(body, whole)
	}
	return len(body) == whole
}

// frame says whether the bytes are one frame of zstd that becomes whole bytes.
func frame(in []byte, whole int) bool {
	var h zstd.Header
	if h.Decode(in) != nil || h.Skippable || h.HasFCS && h.FrameContentSize != uint64(whole) {
		return false
	}
	const shortest = 256 // frames of fewer bytes need not say their size: then they are one block, of 128 KiB at most
	in = in[min(h.HeaderSize, len(in)):]
	for blocks := 1; len(in) >= 3 && (h.HasFCS || whole < shortest && blocks == 1); blocks++ {
		head := int(in[0]) | int(in[1])<<8 | int(in[2])<<16
		last, kind, n := head&1 == 1, head>>1&3, head>>3
		if kind == 1 { // one byte, repeated
			n = 1
		}
		if in = in[3:]; n > len(in) {
			return false
		}
		if in = in[n:]; last {
			return h.HasCheckSum && len(in) == 4 || !h.HasCheckSum && len(in) == 0
		}
	}
	return false
}

// allocator is Go's, up to a size: what asks for more panics, which is an error of whoever reads.
type allocator struct{ memory.Allocator }

func (a allocator) Allocate(size int) []byte {
	bounded(size)
	return a.Allocator.Allocate(size)
}

func (a allocator) Reallocate(size int, b []byte) []byte {
	bounded(size)
	return a.Allocator.Reallocate(size, b)
}

func bounded(size int) {
	if size > mostBuffer {
		panic(fmt.Sprintf("reading it takes a buffer of %d bytes", size))
	}
}
