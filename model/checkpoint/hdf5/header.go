package hdf5

import (
	"bytes"
	"errors"
	"fmt"
)

// Types of the header messages that are understood.
const (
	msgDataspace    = 0x01
	msgLinkInfo     = 0x02
	msgDatatype     = 0x03
	msgLink         = 0x06
	msgExternal     = 0x07
	msgLayout       = 0x08
	msgFilters      = 0x0b
	msgAttribute    = 0x0c
	msgContinuation = 0x10
	msgSymbols      = 0x11
	msgAttrInfo     = 0x15
)

// maxMessages bounds the messages of one object: Keras writes a few, and one for each attribute.
const maxMessages = 1 << 16

// message is one part of an object header.
type message struct {
	kind  uint16
	flags byte
	data  []byte
}

// shared says that the message only refers to another place, which is not read.
func (m message) shared() bool { return m.flags&2 != 0 }

// header lists the messages of the object at an address, continuation blocks included.
func (f *File) header(at uint64) ([]message, error) {
	c, err := f.tail(at)
	if err != nil {
		return nil, fmt.Errorf("an object header: %w", err)
	}
	h := &headerReader{f: f}
	if bytes.HasPrefix(c.b, []byte("OHDR")) {
		err = h.version2(c)
	} else {
		err = h.version1(c)
	}
	if err != nil {
		return nil, fmt.Errorf("the object header at %d: %w", at, err)
	}
	return h.messages, nil
}

type headerReader struct {
	f        *File
	messages []message
	blocks   []block // continuations to read
	seen     map[uint64]bool
}

// block is a piece of the file.
type block struct{ at, n uint64 }

func (h *headerReader) version1(c *cursor) error {
	if v := c.u8(); v != 1 {
		return fmt.Errorf("it has version %d: not an object, or damaged", v)
	}
	c.skip(1 + 2 + 4) // reserved, number of messages, references
	size := c.u32()
	c.skip(4)
	first := c.take(int(size))
	if err := c.err("it"); err != nil {
		return err
	}
	if err := h.list(&cursor{b: first}, false, 0); err != nil {
		return err
	}
	return h.continued(func(b []byte) error { return h.list(&cursor{b: b}, false, 0) })
}

func (h *headerReader) version2(c *cursor) error {
	c.skip(4)
	if v := c.u8(); v != 2 {
		return fmt.Errorf("it has version %d", v)
	}
	flags := c.u8()
	if flags&0x20 != 0 {
		c.skip(16) // times
	}
	if flags&0x10 != 0 {
		c.skip(4) // limits of attribute storage
	}
	size := c.uint(1 << (flags & 3))
	if size > uint64(len(c.b)) {
		return errors.New("it is cut off")
	}
	first := c.take(int(size))
	if err := c.err("it"); err != nil {
		return err
	}
	if err := h.list(&cursor{b: first}, true, flags); err != nil {
		return err
	}
	return h.continued(func(b []byte) error {
		if len(b) < 8 || string(b[:4]) != "OCHK" {
			return errors.New("a continuation does not begin as one")
		}
		return h.list(&cursor{b: b[4 : len(b)-4]}, true, flags) // without the checksum
	})
}

// continued reads the continuation blocks, each once.
func (h *headerReader) continued(read func([]byte) error) error {
	h.seen = map[uint64]bool{}
	for len(h.blocks) > 0 {
		next := h.blocks[0]
		h.blocks = h.blocks[1:]
		if h.seen[next.at] {
			return errors.New("it continues in itself")
		}
		h.seen[next.at] = true
		b, err := h.f.slice(next.at, next.n)
		if err != nil {
			return fmt.Errorf("its continuation: %w", err)
		}
		if err := read(b); err != nil {
			return err
		}
	}
	return nil
}

// list reads the messages of one block.
func (h *headerReader) list(c *cursor, v2 bool, flags byte) error {
	head := 8
	if v2 {
		if head = 4; flags&4 != 0 {
			head = 6
		}
	}
	for len(c.b)-c.at >= head {
		var m message
		var size uint16
		if v2 {
			m.kind, size, m.flags = uint16(c.u8()), c.u16(), c.u8()
			c.skip(head - 4) // order of creation
		} else {
			m.kind, size, m.flags = c.u16(), c.u16(), c.u8()
			c.skip(3)
		}
		m.data = c.take(int(size))
		if err := c.err("a message"); err != nil {
			return err
		}
		if m.kind == msgContinuation {
			d := &cursor{b: m.data}
			h.blocks = append(h.blocks, block{d.u64(), d.u64()})
			if err := d.err("a continuation"); err != nil {
				return err
			}
			continue
		}
		if h.messages = append(h.messages, m); len(h.messages)+len(h.blocks) > maxMessages {
			return fmt.Errorf("it has more than %d messages", maxMessages)
		}
	}
	return nil
}
