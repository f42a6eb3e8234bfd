package hdf5

import (
	"errors"
	"fmt"
)

// chunked is how a dataset lies in pieces of one shape, found by an index of their places.
type chunked struct {
	index indexKind
	at    uint64 // of the index
	shape []int  // of a piece, in elements
	size  int    // of an element, in bytes
	most  []int  // the largest shape that the dataset may have
	whole bool   // pieces that reach beyond the edges are stored without filters
	one   stored // the only piece, of a dataset that has no index
}

// maxRank bounds the dimensions of a chunked dataset; weights have up to four.
const maxRank = 8

// parseChunks reads the rest of a layout message of version 3.
func parseChunks(c *cursor) (*chunked, error) {
	rank := int(c.u8()) - 1
	if rank < 1 || rank > maxRank {
		return nil, fmt.Errorf("it is stored in chunks of %d dimensions", rank)
	}
	l := &chunked{at: c.u64(), shape: make([]int, rank)}
	for i := range l.shape {
		l.shape[i] = int(c.u32())
	}
	l.size = int(c.u32())
	return l, l.check(c)
}

func (l *chunked) check(c *cursor) error {
	if err := c.err("its layout"); err != nil {
		return err
	}
	for _, d := range l.shape {
		if d < 1 || d > 1<<32 {
			return fmt.Errorf("its chunks have the shape %v", l.shape)
		}
	}
	return nil
}

// What the chunks of a file may unpack to together: so many times the file's size, and something to spare for small ones.
const times, spare = 16, 1 << 20

// unpacked bounds what chunks may unpack to: weights hardly shrink, so far more than the file is a bomb. It holds for the whole file.
func (f *File) unpacked(n uint64) error {
	if f.grown += n; f.grown > times*uint64(len(f.data))+spare {
		return fmt.Errorf("it unpacks to %d bytes, with what was read before to more than %d times the file: a bomb, or damaged", n, times)
	}
	return nil
}

// assembly is a dataset whose chunks are being put together.
type assembly struct {
	f       *File
	layout  *chunked
	filters []filter
	shape   []int
	out     []byte
	bytes   int   // of a chunk, unpacked
	left    int   // chunks to come
	across  []int // chunks along each dimension
	grid    grid
	seen    map[uint64]bool
}

// chunks reads a dataset of n bytes that is stored in pieces. All of them must be there.
func (f *File) chunks(l *chunked, filters []filter, shape []int, size, n uint64) ([]byte, error) {
	if len(shape) != len(l.shape) || uint64(l.size) != size {
		return nil, fmt.Errorf("its chunks have the shape %v of %d bytes each, the dataset %v of %d", l.shape, l.size, shape, size)
	}
	if n == 0 {
		return nil, nil
	}
	piece, err := count(l.shape, size)
	if err != nil {
		return nil, err
	}
	pieces, across := 1, make([]int, len(shape))
	for i, d := range shape {
		across[i] = (d + l.shape[i] - 1) / l.shape[i]
		if across[i] > len(f.data)/pieces { // each takes more than a byte
			return nil, fmt.Errorf("it has more chunks than the file has bytes")
		}
		pieces *= across[i]
	}
	if err := f.unpacked(n + piece); err != nil { // the array, and one piece at a time
		return nil, err
	}
	a := &assembly{f: f, layout: l, filters: filters, shape: shape, out: make([]byte, n), bytes: int(piece), left: pieces, across: across, seen: map[uint64]bool{}}
	if err := a.read(); err != nil {
		return nil, err
	}
	if a.left > 0 {
		return nil, fmt.Errorf("%d of its %d chunks were never written", a.left, pieces)
	}
	return a.out, nil
}

// tree reads a node of the tree of chunks, and what lies below.
func (a *assembly) tree(at uint64, depth int) error {
	c, err := a.f.tail(at)
	if err != nil {
		return fmt.Errorf("its tree of chunks: %w", err)
	}
	if a.seen[at] || depth == 0 {
		return errors.New("its tree of chunks contains itself, or is too deep")
	}
	a.seen[at] = true
	if string(c.take(4)) != "TREE" || c.u8() != 1 {
		return fmt.Errorf("there is no tree of chunks at %d", at)
	}
	level, entries := c.u8(), int(c.u16())
	c.skip(16) // siblings
	for range entries {
		size, mask := c.u32(), c.u32()
		start := make([]uint64, len(a.shape))
		for i := range start {
			start[i] = c.u64()
		}
		c.skip(8) // of the element's bytes
		child := c.u64()
		if err := c.err("its tree of chunks"); err != nil {
			return err
		}
		if level > 0 {
			err = a.tree(child, depth-1)
		} else {
			err = a.chunk(start, stored{child, uint64(size), mask})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stored is where a piece lies, its bytes there, and a bit for each filter that it was written without.
type stored struct {
	at, n uint64
	mask  uint32
}

// chunk unpacks one piece and puts it into its place.
func (a *assembly) chunk(start []uint64, s stored) error {
	for i, s := range start {
		if s >= uint64(a.shape[i]) || s%uint64(a.layout.shape[i]) != 0 {
			return fmt.Errorf("a chunk begins at %v of %v", start, a.shape)
		}
	}
	if a.left--; a.left < 0 || a.seen[s.at] {
		return errors.New("it has more chunks than its shape, or one twice")
	}
	a.seen[s.at] = true
	raw, err := a.f.slice(s.at, s.n)
	if err != nil {
		return fmt.Errorf("a chunk: %w", err)
	}
	for i := len(a.filters) - 1; i >= 0; i-- {
		if s.mask&(1<<i) == 0 && !a.whole(start) { // a piece may have been written without a filter that did not help
			if raw, err = a.filters[i].undo(raw, a.bytes, a.layout.size); err != nil {
				return err
			}
		}
	}
	if len(raw) != a.bytes {
		return fmt.Errorf("a chunk has %d bytes, want %d", len(raw), a.bytes)
	}
	a.place(start, raw)
	return nil
}

// whole says whether a piece is stored without filters because it reaches beyond an edge.
func (a *assembly) whole(start []uint64) bool {
	for i, s := range start {
		if a.layout.whole && int(s)+a.layout.shape[i] > a.shape[i] {
			return true
		}
	}
	return false
}

// place copies a piece row by row; what lies beyond the edges of the array is left out.
func (a *assembly) place(start []uint64, raw []byte) {
	last := len(a.shape) - 1
	row := a.layout.shape[last] * a.layout.size
	width := min(a.layout.shape[last], a.shape[last]-int(start[last])) * a.layout.size
	index := make([]int, last)
	for at := 0; at < len(raw); at += row {
		to, inside := 0, true
		for i := range last {
			x := int(start[i]) + index[i]
			inside = inside && x < a.shape[i]
			to = to*a.shape[i] + x
		}
		if inside {
			to = (to*a.shape[last] + int(start[last])) * a.layout.size
			copy(a.out[to:to+width], raw[at:])
		}
		for i := last - 1; i >= 0; i-- { // count up, like an odometer
			if index[i]++; index[i] < a.layout.shape[i] {
				break
			}
			index[i] = 0
		}
	}
}
