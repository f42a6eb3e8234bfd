package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Limits of one group's index. Keras makes a group for each layer, and a tree node for each eight of them.
const (
	maxNodes = 1 << 16
	maxDepth = 16
)

// Group is a directory of groups and datasets, with attributes.
type Group struct {
	f        *File
	messages []message
	links    map[string]uint64 // object headers by name
}

// group reads the object at an address as a group. Groups are read once.
func (f *File) group(at uint64) (*Group, error) {
	if g := f.groups[at]; g != nil {
		return g, nil
	}
	messages, err := f.header(at)
	if err != nil {
		return nil, err
	}
	g := &Group{f: f, messages: messages, links: map[string]uint64{}}
	if err := g.read(); err != nil {
		return nil, fmt.Errorf("the group at %d: %w", at, err)
	}
	f.groups[at] = g
	return g, nil
}

func (g *Group) read() error {
	isGroup := false
	for _, m := range g.messages { // those that denseAttributes appends are not of these kinds
		var err error
		switch m.kind {
		case msgAttrInfo:
			err = g.denseAttributes(m.data)
		case msgSymbols:
			isGroup, err = true, g.symbols(&cursor{b: m.data})
		case msgLink:
			isGroup, err = true, g.link(&cursor{b: m.data})
		case msgLinkInfo:
			isGroup, err = true, g.denseLinks(m.data)
		}
		if err != nil {
			return err
		}
	}
	if !isGroup {
		return errors.New("it is not a group")
	}
	return nil
}

// denseLinks reads the links of a group that has many, and keeps them in a heap.
func (g *Group) denseLinks(info []byte) error {
	afterHash := func(record []byte) []byte { return record[min(4, len(record)):] }
	return g.f.dense(info, 8, treeLinks, afterHash, func(object []byte) error { return g.link(&cursor{b: object}) })
}

// link reads one link message.
func (g *Group) link(c *cursor) error {
	c.skip(1)
	flags, kind := c.u8(), byte(0)
	if flags&8 != 0 {
		kind = c.u8()
	}
	if flags&4 != 0 {
		c.skip(8)
	}
	if flags&0x10 != 0 {
		c.skip(1)
	}
	n := c.uint(1 << (flags & 3))
	if n > uint64(len(c.b)) {
		return errors.New("a link is cut off")
	}
	name := string(c.take(int(n)))
	at := c.u64()
	if kind != 0 {
		return fmt.Errorf("%.64q is a soft or external link, which is not read", name)
	}
	if err := c.err("a link"); err != nil {
		return err
	}
	return g.add(name, at)
}

// symbols reads the old kind of group: a tree of symbol table nodes, and a heap with the names.
func (g *Group) symbols(c *cursor) error {
	tree, heapAt := c.u64(), c.u64()
	if err := c.err("its symbol table"); err != nil {
		return err
	}
	heap, err := g.f.localHeap(heapAt)
	if err != nil {
		return err
	}
	w := &walker{g: g, heap: heap, seen: map[uint64]bool{}}
	return w.tree(tree, maxDepth)
}

// localHeap is the block of names of a group.
func (f *File) localHeap(at uint64) ([]byte, error) {
	c, err := f.tail(at)
	if err != nil {
		return nil, fmt.Errorf("its heap of names: %w", err)
	}
	if string(c.take(4)) != "HEAP" {
		return nil, fmt.Errorf("there is no heap of names at %d", at)
	}
	c.skip(4)
	size := c.u64()
	c.skip(8)
	data := c.u64()
	if err := c.err("its heap of names"); err != nil {
		return nil, err
	}
	return f.slice(data, size)
}

// walker reads a group's tree, each node once.
type walker struct {
	g    *Group
	heap []byte
	seen map[uint64]bool
}

// enter notes a node.
func (w *walker) enter(at uint64) (*cursor, error) {
	if w.seen[at] || len(w.seen) > maxNodes {
		return nil, errors.New("its tree of names contains itself, or is too large")
	}
	w.seen[at] = true
	return w.g.f.tail(at)
}

func (w *walker) tree(at uint64, depth int) error {
	c, err := w.enter(at)
	if err != nil {
		return err
	}
	if string(c.take(4)) != "TREE" || c.u8() != 0 || depth == 0 {
		return fmt.Errorf("there is no tree of names at %d", at)
	}
	level, entries := c.u8(), int(c.u16())
	c.skip(16) // siblings
	for range entries {
		c.skip(8) // key
		child := c.u64()
		if err := c.err("its tree of names"); err != nil {
			return err
		}
		if level > 0 {
			err = w.tree(child, depth-1)
		} else {
			err = w.node(child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// node reads the entries of one symbol table node.
func (w *walker) node(at uint64) error {
	c, err := w.enter(at)
	if err != nil {
		return err
	}
	if string(c.take(4)) != "SNOD" {
		return fmt.Errorf("there are no names at %d", at)
	}
	c.skip(2)
	for range int(c.u16()) {
		name, header, kind := c.u64(), c.u64(), c.u32()
		c.skip(4 + 16)
		if err := c.err("a list of names"); err != nil {
			return err
		}
		if name >= uint64(len(w.heap)) {
			return errors.New("a name lies outside the heap of names")
		}
		s := w.heap[name:]
		n := bytes.IndexByte(s, 0)
		if n < 0 || n > 1<<12 {
			return errors.New("a name has no end")
		}
		if kind == 2 {
			return fmt.Errorf("%.64q is a soft link, which is not read", s[:n])
		}
		if err := w.g.add(string(s[:n]), header); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) add(name string, at uint64) error {
	if _, twice := g.links[name]; twice {
		return fmt.Errorf("it names %.64q twice", name)
	}
	g.links[name] = at
	return nil
}

// Names are the group's members, sorted.
func (g *Group) Names() []string {
	names := make([]string, 0, len(g.links))
	for n := range g.links {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Group finds a group below this one by path.
func (g *Group) Group(path string) (*Group, error) {
	for _, name := range split(path) {
		at, ok := g.links[name]
		if !ok {
			return nil, fmt.Errorf("there is no group %.200q", path)
		}
		next, err := g.f.group(at)
		if err != nil {
			return nil, fmt.Errorf("reading the group %.200q: %w", path, err)
		}
		g = next
	}
	return g, nil
}

// Dataset finds a dataset below this group by path.
func (g *Group) Dataset(path string) (*Dataset, error) {
	names := split(path)
	last := len(names) - 1
	for _, name := range names[:last] {
		next, err := g.Group(name)
		if err != nil {
			return nil, fmt.Errorf("there is no dataset %.200q: %w", path, err)
		}
		g = next
	}
	at, ok := g.links[names[last]]
	if !ok {
		return nil, fmt.Errorf("there is no dataset %.200q", path)
	}
	d, err := g.f.dataset(at)
	if err != nil {
		return nil, fmt.Errorf("reading the dataset %.200q: %w", path, err)
	}
	return d, nil
}
