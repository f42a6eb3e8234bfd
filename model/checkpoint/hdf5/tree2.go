package hdf5

import (
	"errors"
	"fmt"
	"math/bits"
)

// Types of the trees of version 2 that are read: what their records are about.
const (
	treeHuge     = 1  // large objects of a heap
	treeLinks    = 5  // members of a group by name
	treeAttrs    = 8  // attributes by name
	treeChunks   = 10 // chunks of a dataset
	treeFiltered = 11 // chunks of a dataset, filtered
)

// tree2 walks a tree of version 2, whose nodes hold records of one size.
type tree2 struct {
	f      *File
	kind   byte
	node   uint64 // bytes of a node
	record int    // bytes of a record
	counts []int  // by level: bytes of the number of records below a node of that level
	visit  func([]byte) error
	seen   map[uint64]bool
	left   int // records that the file has room for
}

// records calls visit for each record of the tree of version 2 at an address, in order.
func (f *File) records(at uint64, kind byte, visit func([]byte) error) error {
	c, err := f.tail(at)
	if err != nil {
		return fmt.Errorf("its tree: %w", err)
	}
	if string(c.take(4)) != "BTHD" || c.u8() != 0 || c.u8() != kind {
		return fmt.Errorf("there is no tree of type %d at %d", kind, at)
	}
	t := &tree2{f: f, kind: kind, node: uint64(c.u32()), record: int(c.u16()), visit: visit, seen: map[uint64]bool{}}
	t.left = len(f.data) / max(1, t.record)
	depth := int(c.u16())
	c.skip(2) // when nodes are split and merged
	root, n := c.u64(), int(c.u16())
	if err := c.err("its tree"); err != nil {
		return err
	}
	if t.record == 0 || t.node > uint64(len(f.data)) || depth > maxDepth {
		return fmt.Errorf("its tree has records of %d bytes in nodes of %d, %d levels", t.record, t.node, depth)
	}
	if root == undefined {
		return nil
	}
	t.widths(depth)
	return t.walk(root, n, depth)
}

// treeHead is what a node takes beside its records: signature, version, type and checksum.
const treeHead = 4 + 1 + 1 + 4

// widths computes how wide the counts in inner nodes are, from how many records can lie below.
func (t *tree2) widths(depth int) {
	most := (t.node - min(t.node, treeHead)) / uint64(t.record)
	t.counts = []int{encoded(most)}
	below := most
	for level := 1; level <= depth; level++ {
		pointer := t.pointer(level)
		here := (t.node - min(t.node, uint64(treeHead+pointer))) / uint64(t.record+pointer)
		if hi, lo := bits.Mul64(here+1, below); hi != 0 || lo > 1<<62 {
			below = 1 << 62
		} else {
			below = lo + here
		}
		t.counts = append(t.counts, encoded(below))
	}
}

// encoded is how many bytes hold numbers up to n.
func encoded(n uint64) int { return max(1, (bits.Len64(n)+7)/8) }

// pointer is the bytes of a pointer in a node of a level: address, records of the child, and all records below if the child has children.
func (t *tree2) pointer(level int) int {
	if level == 1 {
		return 8 + t.counts[0]
	}
	return 8 + t.counts[0] + t.counts[level-1]
}

// walk reads a node of n records and what lies below it.
func (t *tree2) walk(at uint64, n, level int) error {
	if t.seen[at] || len(t.seen) > maxNodes {
		return errors.New("its tree contains itself, or is too large")
	}
	t.seen[at] = true
	if t.left -= n; n < 0 || t.left < 0 {
		return errors.New("its tree has more records than the file has room for")
	}
	b, err := t.f.slice(at, t.node)
	if err != nil {
		return fmt.Errorf("a node of its tree: %w", err)
	}
	c, signature := &cursor{b: b}, "BTLF"
	if level > 0 {
		signature = "BTIN"
	}
	if string(c.take(4)) != signature || c.u8() != 0 || c.u8() != t.kind {
		return fmt.Errorf("there is no node of its tree at %d", at)
	}
	records := &cursor{b: c.take(n * t.record)}
	for i := range n + 1 {
		if level > 0 {
			child, below := c.u64(), int(c.uint(t.counts[0]))
			c.skip(t.pointer(level) - 8 - t.counts[0])
			if err := c.err("a node of its tree"); err != nil {
				return err
			}
			if err := t.walk(child, below, level-1); err != nil {
				return err
			}
		}
		if i == n {
			break
		}
		record := records.take(t.record)
		if c.short || records.short {
			return errors.New("a node of its tree is cut off")
		}
		if err := t.visit(record); err != nil {
			return err
		}
	}
	return nil
}
