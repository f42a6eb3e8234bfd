package hdf5

import (
	"errors"
	"fmt"
	"math/bits"
)

// heap is a fractal heap, where newer files keep the links and attributes of objects that have many. It is a space of addresses in blocks: rows of
// some blocks each, of one size in the first two rows and of twice that of the row before in each that follows.
type heap struct {
	f          *File
	offset     int    // bytes of an address in the heap
	width      uint64 // blocks in a row
	start      uint64 // size of the blocks in the first row
	most       uint64 // size of the largest blocks that hold objects; larger ones hold blocks
	root       uint64
	rows       int // of the root, 0 if it holds objects itself
	large      uint64
	largeByKey map[uint64]block // objects too large for the blocks
}

// openHeap reads the header of the heap at an address.
func (f *File) openHeap(at uint64) (*heap, error) {
	c, err := f.tail(at)
	if err != nil {
		return nil, fmt.Errorf("its heap: %w", err)
	}
	if string(c.take(4)) != "FRHP" || c.u8() != 0 {
		return nil, fmt.Errorf("there is no heap at %d", at)
	}
	c.skip(2) // bytes of an object's id, which its owner knows
	filters := c.u16()
	c.skip(1 + 4 + 8) // flags, the largest object in blocks, the next large one's number
	h := &heap{f: f, large: c.u64()}
	c.skip(10 * 8) // free space, counts and sizes
	h.width, h.start, h.most = uint64(c.u16()), c.u64(), c.u64()
	size := int(c.u16()) // bits of the largest address
	c.skip(2)
	h.root, h.rows = c.u64(), int(c.u16())
	h.offset = (size + 7) / 8
	if err := c.err("its heap"); err != nil {
		return nil, err
	}
	power := func(n uint64) bool { return n > 0 && n < 1<<40 && bits.OnesCount64(n) == 1 }
	if !power(h.width) || !power(h.start) || !power(h.most) || h.most < h.start || size > 64 || h.rows > 64 {
		return nil, fmt.Errorf("its heap has %d rows of %d blocks of %d to %d bytes, addresses of %d bits", h.rows, h.width, h.start, h.most, size)
	}
	if filters != 0 {
		return nil, errors.New("its heap is compressed, which is not read")
	}
	return h, nil
}

// object is the object of an id: its kind, and for the usual one its address in the heap and its length.
func (h *heap) object(id []byte) ([]byte, error) {
	c := &cursor{b: id}
	switch kind := c.u8(); kind & 0xf0 {
	case 0x00:
		at := c.uint(h.offset)
		n := c.uint(min(8, len(id)-c.at))
		if err := c.err("an object's id"); err != nil {
			return nil, err
		}
		if h.rows == 0 {
			return h.inside(h.root, h.start, at, n)
		}
		return h.find(h.root, h.rows, at, n)
	case 0x10:
		return h.largeObject(c.uint(min(8, len(id)-c.at)))
	default:
		return nil, fmt.Errorf("an object of its heap is of kind %#x, which is not read", kind)
	}
}

// size is that of the blocks in a row.
func (h *heap) size(row int) uint64 { return h.start << max(0, row-1) }

// find reads n bytes at an address that is relative to a block of blocks.
func (h *heap) find(block uint64, rows int, at, n uint64) ([]byte, error) {
	for row := range rows {
		size := h.size(row)
		if size > 1<<50 {
			break
		}
		if at >= h.width*size {
			at -= h.width * size
			continue
		}
		c, err := h.f.tail(block)
		if err != nil {
			return nil, fmt.Errorf("a block of its heap: %w", err)
		}
		if string(c.take(4)) != "FHIB" {
			return nil, fmt.Errorf("there is no block of blocks at %d", block)
		}
		c.skip(1 + 8 + h.offset)
		c.skip(8 * int(uint64(row)*h.width+at/size))
		child := c.u64()
		if err := c.err("a block of its heap"); err != nil {
			return nil, err
		}
		if size <= h.most {
			return h.inside(child, size, at%size, n)
		}
		below := bits.Len64(size) - bits.Len64(h.start*h.width) + 1
		if below >= rows { // a child covers less than its parent: so this ends
			break
		}
		return h.find(child, below, at%size, n)
	}
	return nil, errors.New("an object lies outside its heap")
}

// inside is n bytes of a block of objects, whose addresses count from its header.
func (h *heap) inside(block, size, at, n uint64) ([]byte, error) {
	b, err := h.f.slice(block, 4)
	if err != nil || string(b) != "FHDB" {
		return nil, fmt.Errorf("there is no block of objects at %d", block)
	}
	if at > size || n > size-at {
		return nil, errors.New("an object leaves its block")
	}
	if block+at < block {
		return nil, errors.New("an object lies outside the file")
	}
	return h.f.slice(block+at, n)
}

// largeObject finds an object that has its own place in the file by its number.
func (h *heap) largeObject(key uint64) ([]byte, error) {
	if h.largeByKey == nil {
		h.largeByKey = map[uint64]block{}
		err := h.f.records(h.large, treeHuge, func(record []byte) error {
			c := &cursor{b: record}
			b := block{c.u64(), c.u64()}
			h.largeByKey[c.u64()] = b
			return c.err("a large object")
		})
		if err != nil {
			return nil, err
		}
	}
	b, ok := h.largeByKey[key]
	if !ok {
		return nil, fmt.Errorf("large object %d is not in its heap", key)
	}
	return h.f.slice(b.at, b.n)
}

// dense calls visit for each object that an info message (of links or attributes) points at: a heap with the objects, and a tree of their ids.
// order is the width of the field that counts, where there is one; id cuts the object's id out of a record.
func (f *File) dense(info []byte, order int, kind byte, id func(record []byte) []byte, visit func(object []byte) error) error {
	c := &cursor{b: info}
	c.skip(1)
	if flags := c.u8(); flags&1 != 0 {
		c.skip(order)
	}
	at, tree := c.u64(), c.u64()
	if err := c.err("its list of links or attributes"); err != nil {
		return err
	}
	if at == undefined {
		return nil
	}
	h, err := f.openHeap(at)
	if err != nil {
		return err
	}
	return f.records(tree, kind, func(record []byte) error {
		object, err := h.object(id(record))
		if err != nil {
			return err
		}
		return visit(object)
	})
}
