package hdf5

import (
	"errors"
	"fmt"
)

// Kind is the element type of a dataset or attribute.
type Kind int

// The element types that are told apart. Other is everything that is not read.
const (
	Other   Kind = iota
	Float32      // IEEE 754, little-endian
	Float16
	Float64
	Int64 // signed, little-endian
	Int32
	Text // fixed-length strings
	VarText
)

// Dataset is an array. Raw is its row-major elements: the file's own bytes, unless it is stored in chunks.
type Dataset struct {
	Kind  Kind   // of its elements
	Shape []int  // empty for a scalar
	Raw   []byte // elements, little-endian
}

// datatype is a parsed type message.
type datatype struct {
	kind Kind
	size uint64
}

// dataset reads the object at an address as a dataset.
func (f *File) dataset(at uint64) (*Dataset, error) {
	messages, err := f.header(at)
	if err != nil {
		return nil, err
	}
	var t datatype
	var shape, most []int
	var raw []byte
	var pieces *chunked
	var filters []filter
	found := 0
	for _, m := range messages {
		c := &cursor{b: m.data}
		switch m.kind {
		case msgDatatype:
			if m.shared() {
				return nil, errors.New("its type is a committed one, which is not read")
			}
			t, err = parseType(c)
		case msgDataspace:
			shape, most, err = parseSpace(c)
		case msgLayout:
			raw, pieces, err = f.layout(c)
		case msgFilters:
			filters, err = parseFilters(c)
		case msgExternal:
			err = errors.New("its data lie in another file")
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		found |= 1 << m.kind
	}
	if want := 1<<msgDatatype | 1<<msgDataspace | 1<<msgLayout; found&want != want {
		return nil, errors.New("it is not a dataset")
	}
	n, err := count(shape, t.size)
	if err != nil {
		return nil, err
	}
	switch {
	case pieces != nil:
		pieces.most = most
		raw, err = f.chunks(pieces, filters, shape, t.size, n)
	case len(filters) > 0:
		err = errors.New("it is compressed, but not in chunks")
	}
	if err != nil {
		return nil, err
	}
	if n != uint64(len(raw)) {
		return nil, fmt.Errorf("it has %d bytes where its shape %v needs %d", len(raw), shape, n)
	}
	return &Dataset{Kind: t.kind, Shape: shape, Raw: raw}, nil
}

// count is the bytes of an array.
func count(shape []int, size uint64) (uint64, error) {
	n := size
	for _, d := range shape {
		if d > 0 && n > (1<<50)/uint64(d) {
			return 0, fmt.Errorf("its shape %v is impossible", shape)
		}
		n *= uint64(d)
	}
	return n, nil
}

// unlimited is the largest length of a dimension that may grow without end.
const unlimited = 1<<63 - 1

// parseSpace reads a shape, and the largest that the dataset may have.
func parseSpace(c *cursor) (shape, most []int, err error) {
	version, rank, flags := c.u8(), int(c.u8()), c.u8()
	switch version {
	case 1:
		c.skip(5)
	case 2:
		if kind := c.u8(); kind == 2 {
			return []int{0}, nil, c.err("a shape")
		}
	default:
		return nil, nil, fmt.Errorf("a shape of version %d", version)
	}
	if rank > 32 {
		return nil, nil, fmt.Errorf("%d dimensions", rank)
	}
	shape = make([]int, rank)
	for i := range shape {
		n := c.u64()
		if n > 1<<50 {
			return nil, nil, fmt.Errorf("a dimension of %d", n)
		}
		shape[i] = int(n)
	}
	most = shape
	if flags&1 != 0 {
		most = make([]int, rank)
		for i := range most {
			most[i] = int(min(c.u64(), unlimited))
		}
	}
	return shape, most, c.err("a shape")
}

func parseType(c *cursor) (datatype, error) {
	head := c.u8()
	class, bits := head&0x0f, c.take(3)
	t := datatype{size: uint64(c.u32())}
	if err := c.err("a type"); err != nil {
		return t, err
	}
	if t.size == 0 {
		return t, errors.New("a type of no size")
	}
	switch class {
	case 0:
		if bits[0]&0x09 == 0x08 {
			t.kind = map[uint64]Kind{8: Int64, 4: Int32}[t.size]
		}
	case 1:
		c.skip(4) // bit offset and precision
		form := [4]byte{c.u8(), c.u8(), c.u8(), c.u8()}
		if bits[0]&0x41 == 0 {
			t.kind = map[[4]byte]Kind{{23, 8, 0, 23}: Float32, {10, 5, 0, 10}: Float16, {52, 11, 0, 52}: Float64}[form]
			if want := map[Kind]uint64{Float32: 4, Float16: 2, Float64: 8}[t.kind]; t.size != want {
				t.kind = Other
			}
		}
	case 3:
		t.kind = Text
	case 9:
		if bits[0]&0x0f == 1 && t.size == 16 {
			t.kind = VarText
		}
	}
	return t, c.err("a type")
}

// layout finds a dataset's bytes, or how they lie in chunks.
func (f *File) layout(c *cursor) ([]byte, *chunked, error) {
	version, class := c.u8(), byte(0)
	rank := 0
	switch version {
	case 1, 2:
		rank, class = int(c.u8()), c.u8()
		c.skip(5)
	case 3, 4, 5:
		class = c.u8()
	default:
		return nil, nil, fmt.Errorf("a layout of version %d", version)
	}
	switch {
	case class == 0 && version >= 3:
		raw := c.take(int(c.u16()))
		return raw, nil, c.err("its data")
	case class == 1:
		raw, err := f.contiguous(c, version, rank)
		return raw, nil, err
	case class == 2 && version == 3:
		pieces, err := parseChunks(c)
		return nil, pieces, err
	case class == 2:
		pieces, err := parseIndexed(c)
		return nil, pieces, err
	}
	return nil, nil, fmt.Errorf("a layout of class %d", class)
}

// contiguous is data in one piece. What was never written has no address; only an empty dataset may have that.
func (f *File) contiguous(c *cursor, version byte, rank int) ([]byte, error) {
	at := c.u64()
	size := uint64(0)
	if version >= 3 {
		size = c.u64()
	} else {
		size = 1
		for range rank { // dimensions, and the element's size as the last
			n := uint64(c.u32())
			if n > 0 && size > (1<<50)/n {
				return nil, errors.New("its size is impossible")
			}
			size *= n
		}
	}
	if err := c.err("its layout"); err != nil {
		return nil, err
	}
	if at == undefined {
		if size == 0 {
			return nil, nil
		}
		return nil, errors.New("it was created but never written")
	}
	return f.slice(at, size)
}
