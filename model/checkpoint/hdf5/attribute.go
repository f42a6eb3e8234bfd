package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Strings reads an attribute of strings, one or an array of them. ok is false if the group has no such attribute.
func (g *Group) Strings(name string) (values []string, ok bool, err error) {
	for _, m := range g.messages {
		if m.kind != msgAttribute {
			continue
		}
		a, err := parseAttribute(m)
		if err != nil {
			return nil, false, fmt.Errorf("reading an attribute: %w", err)
		}
		if a.name != name {
			continue
		}
		if values, err = g.f.strings(a); err != nil {
			return nil, false, fmt.Errorf("reading the attribute %s: %w", name, err)
		}
		return values, true, nil
	}
	return nil, false, nil
}

// denseAttributes reads the attributes of a group that has many, and keeps them in a heap.
func (g *Group) denseAttributes(info []byte) error {
	id := func(record []byte) []byte { return record[:min(8, len(record))] }
	return g.f.dense(info, 2, treeAttrs, id, func(object []byte) error {
		g.messages = append(g.messages, message{kind: msgAttribute, data: object})
		return nil
	})
}

type attribute struct {
	name  string
	kind  datatype
	shape []int
	data  []byte
}

func parseAttribute(m message) (a attribute, err error) {
	c := &cursor{b: m.data}
	version, flags := c.u8(), c.u8()
	if version < 1 || version > 3 {
		return a, fmt.Errorf("it has version %d", version)
	}
	if version > 1 && flags != 0 {
		return a, errors.New("its type is a committed one, which is not read")
	}
	sizes := [3]int{int(c.u16()), int(c.u16()), int(c.u16())}
	if version == 3 {
		c.skip(1) // character set
	}
	var parts [3][]byte
	for i, n := range sizes {
		parts[i] = c.take(n)
		if version == 1 {
			c.skip(-n & 7)
		}
	}
	if err := c.err("it"); err != nil {
		return a, err
	}
	name, _, _ := bytes.Cut(parts[0], []byte{0})
	a.name = string(name)
	if a.kind, err = parseType(&cursor{b: parts[1]}); err != nil {
		return a, err
	}
	if a.shape, _, err = parseSpace(&cursor{b: parts[2]}); err != nil {
		return a, err
	}
	a.data = m.data[c.at:]
	return a, nil
}

// strings decodes an attribute's elements.
func (f *File) strings(a attribute) ([]string, error) {
	n, err := count(a.shape, a.kind.size)
	if err != nil {
		return nil, err
	}
	if n > uint64(len(a.data)) {
		return nil, errors.New("it is cut off")
	}
	var out []string
	for data := a.data[:n]; len(data) > 0; data = data[a.kind.size:] {
		element := data[:a.kind.size]
		switch a.kind.kind {
		case Text:
			s, _, _ := strings.Cut(string(element), "\x00")
			out = append(out, strings.TrimRight(s, " "))
		case VarText:
			s, err := f.heapString(element)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		default:
			return nil, errors.New("it does not hold strings")
		}
	}
	return out, nil
}

// Limits of variable-length strings, of which several may point at the same bytes: of one, and of the collection it lies in.
const (
	maxHeapString = 1 << 12
	maxHeap       = 1 << 20
)

// heapString follows a reference (length, collection, index) into the global heap.
func (f *File) heapString(ref []byte) (string, error) {
	c := &cursor{b: ref}
	n, at, want := uint64(c.u32()), c.u64(), c.u32()
	if n == 0 {
		return "", nil
	}
	if n > maxHeapString {
		return "", fmt.Errorf("a string of %d bytes", n)
	}
	h, err := f.tail(at)
	if err != nil {
		return "", fmt.Errorf("the heap of strings: %w", err)
	}
	if string(h.take(4)) != "GCOL" {
		return "", fmt.Errorf("there is no heap of strings at %d", at)
	}
	h.skip(4)
	size := h.u64()
	if h.short || size > uint64(len(h.b)) || size > maxHeap {
		return "", errors.New("the heap of strings is cut off, or too large")
	}
	h.b = h.b[:size]
	for {
		index := h.u16()
		h.skip(6)
		length := h.u64()
		if h.short || index == 0 || length > uint64(len(h.b)) {
			return "", fmt.Errorf("string %d is not in its heap", want)
		}
		b := h.take(int(length))
		h.skip(int(-length & 7))
		if uint32(index) == want && !h.short {
			if n > length {
				return "", fmt.Errorf("string %d is longer than its place", want)
			}
			return strings.TrimRight(string(b[:n]), "\x00"), nil
		}
	}
}
