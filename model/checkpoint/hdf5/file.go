package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// undefined is the address of what does not exist.
const undefined = ^uint64(0)

// File is an open HDF5 file. It is not safe for concurrent use.
type File struct {
	data   []byte
	root   uint64            // address of the root group's object header
	groups map[uint64]*Group // read so far
	grown  uint64            // bytes that chunks have unpacked to
}

// Open reads the superblock of a whole file in memory.
func Open(data []byte) (*File, error) {
	if !bytes.HasPrefix(data, []byte("\x89HDF\r\n\x1a\n")) {
		return nil, errors.New("it is not an HDF5 file")
	}
	f := &File{data: data, groups: map[uint64]*Group{}}
	c := &cursor{b: data, at: 8}
	version := c.u8()
	var offsets, lengths byte
	var base, end uint64
	switch version {
	case 0, 1:
		c.skip(4) // versions of the parts; reserved
		offsets, lengths = c.u8(), c.u8()
		c.skip(1 + 2 + 2 + 4) // reserved, sizes of tree nodes, flags
		if version == 1 {
			c.skip(4)
		}
		base = c.u64()
		c.skip(8) // free space
		end = c.u64()
		c.skip(8 + 8) // driver; the root's name
		f.root = c.u64()
	case 2, 3:
		offsets, lengths = c.u8(), c.u8()
		c.skip(1)
		base = c.u64()
		c.skip(8) // extension
		end = c.u64()
		f.root = c.u64()
	default:
		return nil, fmt.Errorf("its superblock has version %d; 0 to 3 are read", version)
	}
	switch {
	case c.short:
		return nil, errors.New("the superblock is cut off")
	case offsets != 8 || lengths != 8:
		return nil, fmt.Errorf("its addresses have %d bytes and its lengths %d; 8 are read", offsets, lengths)
	case base != 0:
		return nil, errors.New("it begins with a user block, which is not read")
	case end > uint64(len(data)):
		return nil, fmt.Errorf("it has %d bytes of %d: truncated", len(data), end)
	}
	return f, nil
}

// Root is the root group.
func (f *File) Root() (*Group, error) { return f.group(f.root) }

// slice is n bytes at an address.
func (f *File) slice(at, n uint64) ([]byte, error) {
	if at > uint64(len(f.data)) || n > uint64(len(f.data))-at {
		return nil, fmt.Errorf("%d bytes at address %d lie outside the file of %d", n, at, len(f.data))
	}
	return f.data[at : at+n : at+n], nil
}

// tail is everything from an address on.
func (f *File) tail(at uint64) (*cursor, error) {
	if at > uint64(len(f.data)) {
		return nil, fmt.Errorf("address %d lies outside the file of %d bytes", at, len(f.data))
	}
	return &cursor{b: f.data[at:]}, nil
}

// split is a path's names.
func split(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// cursor reads little-endian numbers; past the end it gives zeros and remembers it.
type cursor struct {
	b     []byte
	at    int
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b)-c.at {
		c.short, c.at = true, len(c.b)
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at : c.at]
}

func (c *cursor) skip(n int) { c.take(n) }

func (c *cursor) u8() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// uint reads a number of 1, 2, 4 or 8 bytes.
func (c *cursor) uint(width int) uint64 {
	var v uint64
	for i, x := range c.take(width) {
		v |= uint64(x) << (8 * i)
	}
	return v
}

// err is an error if something was read past the end.
func (c *cursor) err(what string) error {
	if c.short {
		return fmt.Errorf("%s is cut off", what)
	}
	return nil
}
