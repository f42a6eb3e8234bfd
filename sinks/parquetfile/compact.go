package parquetfile

import "encoding/binary"

// Types of Thrift's compact protocol, in which footers are written.
const (
	kindTrue   = 1
	kindFalse  = 2
	kindByte   = 3
	kindI16    = 4
	kindI32    = 5
	kindI64    = 6
	kindDouble = 7
	kindBinary = 8
	kindList   = 9
	kindSet    = 10
	kindStruct = 12
)

// compact reads the compact protocol. After a fault err is set and everything that is read is zero.
type compact struct {
	in    []byte
	at    int
	err   error
	depth int
}

// header begins a field; a struct's end has kind 0.
type header struct {
	id, kind int
}

func (r *compact) fail() {
	if r.err == nil {
		r.err = ErrNotParquet
	}
	r.at = len(r.in)
}

func (r *compact) byte() byte {
	if r.at >= len(r.in) {
		r.fail()
		return 0
	}
	r.at++
	return r.in[r.at-1]
}

func (r *compact) varint() uint64 {
	v, n := binary.Uvarint(r.in[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

// integer is a zigzag number that is small.
func (r *compact) integer() int {
	v := r.varint()
	n := int64(v>>1) ^ -int64(v&1)
	if n != int64(int32(n)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *compact) field(last int) header {
	b := r.byte()
	h := header{id: last + int(b>>4), kind: int(b & 0xf)}
	if h.kind != 0 && b>>4 == 0 {
		h.id = r.integer()
	}
	return h
}

func (r *compact) list() (n, kind int) {
	b := r.byte()
	if n = int(b >> 4); n == 15 {
		v := r.varint()
		if v > uint64(len(r.in)) {
			r.fail()
			return 0, 0
		}
		n = int(v)
	}
	return n, int(b & 0xf)
}

func (r *compact) take(n uint64) []byte {
	if n > uint64(len(r.in)-r.at) {
		r.fail()
		return nil
	}
	r.at += int(n)
	return r.in[r.at-int(n) : r.at]
}

// skip passes a field's value over.
func (r *compact) skip(h header) {
	switch h.kind {
	case kindTrue, kindFalse: // the value is in the header
	case kindByte:
		r.byte()
	case kindI16, kindI32, kindI64:
		r.varint()
	case kindDouble:
		r.take(8)
	case kindBinary:
		r.take(r.varint())
	case kindList, kindSet:
		n, kind := r.list()
		for range n {
			if r.err != nil {
				return
			}
			if kind == kindTrue || kind == kindFalse {
				r.byte() // in a list it is a byte
				continue
			}
			r.nested(header{kind: kind})
		}
	case kindStruct:
		for f := r.field(0); f.kind != 0; f = r.field(f.id) {
			if r.err != nil {
				return
			}
			r.nested(f)
		}
	default: // a map too: Parquet has none
		r.fail()
	}
}

// nested is skip inside of another value.
func (r *compact) nested(h header) {
	if r.depth++; r.depth > 16 {
		r.fail()
		return
	}
	r.skip(h)
	r.depth--
}

// element is a SchemaElement.
type element struct {
	name     string
	children int
	nests    bool // LIST or MAP
	fields   []raw
}

// raw is a field as it was written.
type raw struct {
	header
	value []byte
}

// The fields of a SchemaElement that matter here.
const (
	fieldName      = 4
	fieldChildren  = 5
	fieldConverted = 6
	fieldNumber    = 9
)

// Values of ConvertedType.
const (
	convertedMap  = 1
	convertedList = 3
)

func (r *compact) element() (e element) {
	for f := r.field(0); f.kind != 0 && r.err == nil; f = r.field(f.id) {
		begin := r.at
		r.skip(f)
		value := compact{in: r.in[begin:r.at]}
		switch {
		case f.id == fieldName && f.kind == kindBinary:
			e.name = string(value.take(value.varint()))
		case f.id == fieldChildren && f.kind == kindI32:
			e.children = value.integer()
		case f.id == fieldConverted && f.kind == kindI32:
			c := value.integer()
			e.nests = c == convertedMap || c == convertedList
		}
		if value.err != nil || e.children < 0 {
			r.fail()
		}
		if f.id != fieldNumber {
			e.fields = append(e.fields, raw{f, r.in[begin:r.at]})
		}
	}
	return e
}

// append writes the element, with a number if it has one.
func (e *element) append(out []byte, number int, has bool) []byte {
	last := 0
	put := func(f header, value []byte) {
		if delta := f.id - last; delta > 0 && delta < 16 {
			out = append(out, byte(delta<<4|f.kind))
		} else {
			out = binary.AppendVarint(append(out, byte(f.kind)), int64(f.id))
		}
		out, last = append(out, value...), f.id
	}
	for _, f := range e.fields {
		if has && f.id > fieldNumber {
			put(header{fieldNumber, kindI32}, binary.AppendVarint(nil, int64(number)))
			has = false
		}
		put(f.header, f.value)
	}
	if has {
		put(header{fieldNumber, kindI32}, binary.AppendVarint(nil, int64(number)))
	}
	return append(out, 0)
}
