package hdf5

import (
	"errors"
	"fmt"
)

// indexKind says how the places of a dataset's chunks are found.
type indexKind byte

// The indexes, with the numbers of layout messages of versions 4 and 5; older ones have the tree of version 1 alone.
const (
	indexTree       indexKind = iota // by place
	indexOne                         // there is one chunk
	indexImplicit                    // one behind the other
	indexFixed                       // an array of addresses
	indexExtensible                  // an array that grows in blocks
	indexTree2                       // a tree of version 2, by place
)

// parseIndexed reads the rest of a layout message of version 4 or 5 about chunks.
func parseIndexed(c *cursor) (*chunked, error) {
	flags, rank, width := c.u8(), int(c.u8())-1, int(c.u8())
	if rank < 1 || rank > maxRank || width < 1 || width > 8 {
		return nil, fmt.Errorf("it is stored in chunks of %d dimensions, of %d bytes each", rank, width)
	}
	l := &chunked{shape: make([]int, rank), whole: flags&1 != 0}
	for i := range l.shape {
		l.shape[i] = int(min(c.uint(width), 1<<50))
	}
	l.size = int(min(c.uint(width), 1<<50))
	l.index = indexKind(c.u8())
	switch l.index {
	case indexOne:
		if flags&2 != 0 {
			l.one.n, l.one.mask = c.u64(), c.u32()
		}
	case indexImplicit:
	case indexFixed:
		c.skip(1) // the header of the array has it, too
	case indexExtensible:
		c.skip(5)
	case indexTree2:
		c.skip(6)
	default:
		return nil, fmt.Errorf("it is stored in chunks with an index of kind %d, which is not read", l.index)
	}
	l.at = c.u64()
	return l, l.check(c)
}

// read reads all chunks by the index.
func (a *assembly) read() error {
	l := a.layout
	switch {
	case l.at == undefined:
		return nil // none was written
	case l.index == indexTree:
		return a.tree(l.at, maxDepth)
	case l.index == indexOne:
		if l.one.n == 0 {
			l.one.n = uint64(a.bytes)
		}
		l.one.at = l.at
		return a.chunk(make([]uint64, len(a.shape)), l.one)
	case l.index == indexTree2:
		kind := byte(treeChunks)
		if len(a.filters) > 0 {
			kind = treeFiltered
		}
		return a.f.records(l.at, kind, a.record)
	}
	if err := a.number(); err != nil {
		return err
	}
	switch l.index {
	case indexFixed:
		return a.fixed()
	case indexExtensible:
		return a.extensible()
	}
	for i := range a.grid.total {
		if err := a.numbered(i, stored{at: l.at + uint64(i)*uint64(a.bytes), n: uint64(a.bytes)}); err != nil {
			return err
		}
	}
	return nil
}

// numbered is the i-th chunk of the grid, if that was written and lies inside the present shape.
func (a *assembly) numbered(i int, s stored) error {
	start, ok := a.start(i)
	if !ok || s.at == undefined {
		return nil
	}
	return a.chunk(start, s)
}

// grid numbers the chunks of arrays, by the largest shape that the dataset may have, so that a number stays when it grows. A dimension without
// end comes first.
type grid struct {
	order []int // dimensions, the slowest first
	most  []int // chunks along each of them
	total int   // numbers that the chunks of the present shape may have
}

// number lays out the grid.
func (a *assembly) number() error {
	g := grid{total: 1}
	for d := range a.shape {
		if a.layout.most[d] == unlimited {
			if g.order != nil {
				return errors.New("it has chunks in an array, and more than one dimension without end")
			}
			g.order = []int{d}
		}
	}
	for d := range a.shape {
		if a.layout.most[d] != unlimited {
			g.order = append(g.order, d)
		}
	}
	for _, d := range g.order {
		n := a.across[d]
		if most := a.layout.most[d]; most != unlimited {
			n = most/a.layout.shape[d] + min(1, most%a.layout.shape[d])
		}
		if n < a.across[d] || n > len(a.f.data)/g.total {
			return fmt.Errorf("it has a shape of %v chunks, which cannot grow to %v elements in the file's bytes", a.across, a.layout.most)
		}
		g.most = append(g.most, n)
		g.total *= n
	}
	a.grid = g
	return nil
}

// start is where the i-th chunk of the grid begins. ok is false if that lies outside the present shape.
func (a *assembly) start(i int) (start []uint64, ok bool) {
	start, ok = make([]uint64, len(a.shape)), true
	for k := len(a.grid.order) - 1; k >= 0; k-- {
		d := a.grid.order[k]
		at := i % a.grid.most[k]
		i /= a.grid.most[k]
		start[d] = uint64(at) * uint64(a.layout.shape[d])
		ok = ok && at < a.across[d]
	}
	return start, ok && i == 0
}

// record reads a chunk's record in a tree of version 2: its place follows what [assembly.element] reads.
func (a *assembly) record(b []byte) error {
	c := &cursor{b: b}
	s := a.element(c, len(b)-8*len(a.shape))
	start := make([]uint64, len(a.shape))
	for i := range start {
		n := c.u64()
		if n >= uint64(a.across[i]) {
			return fmt.Errorf("a chunk lies at %d of %d", n, a.across[i])
		}
		start[i] = n * uint64(a.layout.shape[i])
	}
	if err := c.err("a chunk's record"); err != nil {
		return err
	}
	return a.chunk(start, s)
}

// element reads where a chunk lies: its address and, where there are filters, its bytes (in what is left of the width) and mask.
func (a *assembly) element(c *cursor, width int) stored {
	s := stored{at: c.u64(), n: uint64(a.bytes)}
	if len(a.filters) > 0 {
		s.n, s.mask = c.uint(min(8, max(0, width-8-4))), c.u32()
	}
	return s
}
