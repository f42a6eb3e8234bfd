package beam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The layout of a KenLM binary of version 5, which is little-endian: test values, parameters, the counts of n-grams by length, then the
// vocabulary's table, then the n-grams, then perhaps the words.
const (
	binaryMagic = "mmap lm http://kheafield.com/code format version 5\n\x00"
	fixedAt     = 88 // the magic padded to 56 bytes, three floats, three words, one long
	fixedSize   = 20
)

// The kinds of tables, by KenLM's numbers.
const (
	kindProbing = iota
	kindRest
	kindTrie
	kindQuantised
	kindArray
	kindQuantisedArray
)

var errShort = errors.New("the file ends too soon")

// parameters are what the header of a binary says.
type parameters struct {
	kind       uint32
	multiplier float32 // of hash tables: buckets per entry
	counts     []uint64
	size       uint64 // of the header
}

// isBinary says whether data begins like a KenLM binary of any version.
func isBinary(data []byte) bool {
	const magic = "mmap lm http://kheafield.com/code"
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

// ParseBinary opens a KenLM binary: data is kept, and must not change. A file that is too short for what its header promises is
// refused here; what lies inside is looked at when it is asked for.
func ParseBinary(data []byte) (*Model, error) {
	p, err := parseParameters(data)
	if err != nil {
		return nil, fmt.Errorf("kenlm binary: %w", err)
	}
	m := &Model{order: len(p.counts), close: func() error { return nil }}
	if p.kind <= kindRest {
		m.vocab, m.tables, err = openProbing(data, p)
	} else {
		m.vocab, m.tables, err = openTrie(data, p)
	}
	if err != nil {
		return nil, fmt.Errorf("kenlm binary: %w", err)
	}
	return m, nil
}

func parseParameters(data []byte) (parameters, error) {
	var p parameters
	if len(data) < fixedAt+fixedSize {
		return p, errShort
	}
	if string(data[:len(binaryMagic)]) != binaryMagic {
		return p, fmt.Errorf("this is %.60q, and version 5 is read; build it anew from the ARPA file", data[:60])
	}
	test := data[56:fixedAt]
	le := binary.LittleEndian
	if le.Uint32(test) != 0 || le.Uint32(test[4:]) != math.Float32bits(1) || le.Uint32(test[8:]) != math.Float32bits(-0.5) ||
		le.Uint32(test[12:]) != 1 || le.Uint32(test[16:]) != math.MaxUint32 || le.Uint64(test[24:]) != 1 {
		return p, errors.New("its test values are not those of a 64-bit little-endian machine")
	}
	fixed := data[fixedAt:]
	order := int(fixed[0])
	p.multiplier = math.Float32frombits(le.Uint32(fixed[4:]))
	p.kind = le.Uint32(fixed[8:])
	version := le.Uint32(fixed[16:])
	switch {
	case order < 2 || order > maxOrder:
		return p, fmt.Errorf("a language model of order %d; orders 2 to %d are read", order, maxOrder)
	case p.kind > kindQuantisedArray:
		return p, fmt.Errorf("tables of kind %d are not known", p.kind)
	case version != 0 && p.kind <= kindRest || version != 1 && p.kind >= kindTrie:
		return p, fmt.Errorf("version %d of its tables is not known", version)
	case !(p.multiplier >= 1 && p.multiplier <= 100):
		return p, fmt.Errorf("hash tables of %v times their entries", p.multiplier)
	case len(data) < fixedAt+fixedSize+8*order:
		return p, errShort
	}
	for i := range order {
		n := le.Uint64(fixed[fixedSize+8*i:])
		if n > uint64(len(data))*8 { // an n-gram takes at least a bit
			return p, fmt.Errorf("%d %d-grams in a file of %d bytes", n, i+1, len(data))
		}
		p.counts = append(p.counts, n)
	}
	if p.counts[0] >= math.MaxUint32 {
		return p, fmt.Errorf("%d words", p.counts[0])
	}
	p.size = align8(uint64(fixedAt + fixedSize + 8*order))
	return p, nil
}

func align8(n uint64) uint64 { return (n + 7) &^ 7 }

// cursor hands out consecutive parts of a file.
type cursor struct {
	data []byte
	at   uint64
	err  error
}

// take gives the next n bytes, or nothing once the file is too short.
func (c *cursor) take(n uint64) []byte {
	if c.err != nil || n > uint64(len(c.data))-c.at {
		c.err = errShort
		return nil
	}
	part := c.data[c.at : c.at+n : c.at+n]
	c.at += n
	return part
}

// required is the number of bits that a value takes.
func required(v uint64) uint { return uint(bits.Len64(v)) }

func float(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
