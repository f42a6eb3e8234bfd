package hdf5

import (
	"errors"
	"fmt"
	"math/bits"
)

// elements reads the chunks from the first on of a list of n in an array. Some may never have been written.
func (a *assembly) elements(c *cursor, first, n, width int) error {
	for i := first; i < first+n && i < a.grid.total; i++ {
		at := c.at
		s := a.element(c, width)
		if c.at-at != width && !c.short {
			return fmt.Errorf("its array of chunks has elements of %d bytes", width)
		}
		if err := c.err("its array of chunks"); err != nil {
			return err
		}
		if err := a.numbered(i, s); err != nil {
			return err
		}
	}
	return nil
}

// block finds the begin of a block of an array by its signature and skips what all have: version, whose it is, the header's address.
func (a *assembly) block(at uint64, signature string, skip int) (*cursor, error) {
	c, err := a.f.tail(at)
	if err != nil {
		return nil, fmt.Errorf("its array of chunks: %w", err)
	}
	if string(c.take(4)) != signature {
		return nil, fmt.Errorf("there is no array of chunks (%s) at %d", signature, at)
	}
	c.skip(skip)
	return c, nil
}

// bitmap is the bytes of a bit for each page of n elements; there are none if they fit in one page.
func bitmap(n, page int) int {
	if n <= page {
		return 0
	}
	return ((n+page-1)/page + 7) / 8
}

// paged reads n elements of a data block behind its head, which are in pages if they are many, each with a checksum behind it. Pages that
// no chunk was written to may hold anything: written has a bit for each page, the highest of a byte first.
func (a *assembly) paged(c *cursor, first, n, page, width int, written []byte) error {
	if n <= page {
		return a.elements(c, first, n, width)
	}
	c.skip(4)
	for i := range (n + page - 1) / page {
		here := min(page, n-i*page)
		p := &cursor{b: c.take(here*width + 4)}
		if c.short || len(written) <= i/8 {
			return errors.New("its array of chunks is cut off")
		}
		if written[i/8]&(0x80>>(i%8)) == 0 {
			continue
		}
		if err := a.elements(p, first+i*page, here, width); err != nil {
			return err
		}
		if first+(i+1)*page >= a.grid.total {
			break
		}
	}
	return nil
}

// fixed reads an index that is an array of as many elements as there can be chunks.
func (a *assembly) fixed() error {
	c, err := a.block(a.layout.at, "FAHD", 2)
	if err != nil {
		return err
	}
	width, page, n, at := int(c.u8()), int(c.u8()), c.u64(), c.u64()
	if err := c.err("its array of chunks"); err != nil {
		return err
	}
	if page > 30 || n > uint64(len(a.f.data)) {
		return fmt.Errorf("its array of chunks has %d elements in pages of 2^%d", n, page)
	}
	if at == undefined {
		return nil
	}
	if c, err = a.block(at, "FADB", 1+1+8); err != nil {
		return err
	}
	written := c.take(bitmap(int(n), 1<<page))
	return a.paged(c, 0, int(n), 1<<page, width, written)
}

// growing is the geometry of an extensible array: a few elements in the index block, then data blocks in levels. A level has twice the elements a
// block, or twice the blocks, of the one before, in turn. Addresses of the data blocks of the first levels are in the index block; every
// other level has a block of its own for them.
type growing struct {
	width, bits, direct, least, pointers, page int
}

// secondary says whether the data blocks of a level are listed in a block of its own.
func (g growing) secondary(level int) bool { return level >= 2*(bits.Len(uint(g.pointers))-1) }

// skip is what the blocks of an array have behind their signature: version, whose it is, the header's address, and the block's place.
func (g growing) skip() int { return 1 + 1 + 8 + (g.bits+7)/8 }

// extensible reads an index that is an array that has grown.
func (a *assembly) extensible() error {
	c, err := a.block(a.layout.at, "EAHD", 2)
	if err != nil {
		return err
	}
	g := growing{int(c.u8()), int(c.u8()), int(c.u8()), int(c.u8()), int(c.u8()), int(c.u8())}
	c.skip(6 * 8) // statistics
	at := c.u64()
	if err := c.err("its array of chunks"); err != nil {
		return err
	}
	power := func(n int) bool { return n > 0 && n&(n-1) == 0 }
	if g.bits > 62 || g.page > 30 || !power(g.least) || !power(g.pointers) {
		return fmt.Errorf("its array of chunks has the geometry %v", g)
	}
	if at == undefined {
		return nil
	}
	if c, err = a.block(at, "EAIB", 1+1+8); err != nil {
		return err
	}
	if err := a.elements(&cursor{b: c.take(g.direct * g.width)}, 0, g.direct, g.width); err != nil {
		return err
	}
	first := g.direct
	for level := 0; first < a.grid.total; level++ {
		blocks, n := 1<<(level/2), g.least<<((level+1)/2)
		if err := a.level(g, level, c, first, n); err != nil {
			return err
		}
		first += blocks * n
	}
	return nil
}

// level reads one level of data blocks, of n elements each; c is where the index block goes on.
func (a *assembly) level(g growing, level int, c *cursor, first, n int) error {
	blocks, page := 1<<(level/2), 1<<g.page
	list, written, each := c, []byte(nil), bitmap(n, page)
	if g.secondary(level) {
		at := c.u64()
		if err := c.err("its array of chunks"); err != nil || at == undefined {
			return err
		}
		var err error
		if list, err = a.block(at, "EASB", g.skip()); err != nil {
			return err
		}
		written = list.take(blocks * each)
	}
	for i := range blocks {
		at := list.u64()
		if err := list.err("its array of chunks"); err != nil {
			return err
		}
		if here := first + i*n; at != undefined && here < a.grid.total {
			d, err := a.block(at, "EADB", g.skip())
			if err != nil {
				return err
			}
			if err := a.paged(d, here, n, page, g.width, written[min(len(written), i*each):]); err != nil {
				return err
			}
		}
	}
	return nil
}
