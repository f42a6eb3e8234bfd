package arrowfile

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// The library takes every length in a message at its word, and asks for that much memory. So before it gets one, lengths are compared with the bytes that are there.
const (
	mostFields = 4096    // of a schema, nested ones too
	mostBatch  = 1 << 30 // of a record batch, unpacked; they are written with 32 MiB, or one row
)

// Slots of the tables that a schema message is made of (Message.fbs, Schema.fbs).
const (
	slotKind, slotHeader                                     = 6, 8 // Message
	slotFields, slotMetadata                                 = 6, 8 // Schema
	slotType, slotDictionary, slotChildren, slotFieldComment = 8, 12, 14, 16
)

const kindSchema = 1

// knownTypes are what rows are made of, by their numbers in Schema.fbs: integers, fractions, bytes, text, booleans, times, lists, structs and maps.
var knownTypes = map[byte]bool{2: true, 3: true, 4: true, 5: true, 6: true, 10: true, 12: true, 13: true, 17: true}

// sound refuses the metadata of a schema whose vectors are longer than the message, or whose fields are not a row's. Offsets that lead out of it panic, which is an error above.
func sound(meta []byte) error {
	root := flatbuffers.Table{Bytes: meta, Pos: flatbuffers.GetUOffsetT(meta)}
	o := flatbuffers.UOffsetT(root.Offset(slotKind))
	if o == 0 || root.GetByte(root.Pos+o) != kindSchema {
		return nil
	}
	var schema flatbuffers.Table
	root.Union(&schema, flatbuffers.UOffsetT(root.Offset(slotHeader)))
	w := walk{left: mostFields}
	if !w.vector(&schema, slotMetadata, nil) || !w.vector(&schema, slotFields, w.field) {
		return fmt.Errorf("%w: its schema", ErrDamaged)
	}
	return nil
}

// walk goes through the fields of a schema.
type walk struct{ left int }

// vector looks at the tables of a vector, if there is one.
func (w *walk) vector(t *flatbuffers.Table, slot flatbuffers.VOffsetT, each func(*flatbuffers.Table) bool) bool {
	o := flatbuffers.UOffsetT(t.Offset(slot))
	if o == 0 {
		return true
	}
	n, begin := t.VectorLen(o), t.Vector(o)
	if n < 0 || n > w.left || n > len(t.Bytes)/4 {
		return false
	}
	w.left -= n
	for i := 0; i < n && each != nil; i++ {
		child := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(begin + flatbuffers.UOffsetT(4*i))}
		if !each(&child) {
			return false
		}
	}
	return true
}

func (w *walk) field(t *flatbuffers.Table) bool {
	o := flatbuffers.UOffsetT(t.Offset(slotType))
	return o != 0 && knownTypes[t.GetByte(t.Pos+o)] && t.Offset(slotDictionary) == 0 && w.vector(t, slotFieldComment, nil) && w.vector(t, slotChildren, w.field)
}

// filled says whether a record batch has bytes for as many rows as it says: of a row's text alone there are four bytes and more.
func filled(rec arrow.Record) bool {
	bytes := int64(0)
	for _, c := range rec.Columns() {
		for _, b := range c.Data().Buffers() {
			if b != nil {
				bytes += int64(b.Len())
			}
		}
	}
	return rec.NumRows() >= 0 && rec.NumRows() <= bytes/4
}

// budget is an allocator that panics when a record batch asks for more than there is left.
type budget struct {
	memory.Allocator
	left int
}

func newBudget() *budget { return &budget{memory.DefaultAllocator, mostBatch} }

func (b *budget) take(n int) {
	if b.left -= max(n, 0); n < 0 || b.left < 0 {
		panic(fmt.Sprintf("reading it takes %d bytes more than a record batch may have", -b.left))
	}
}

func (b *budget) Allocate(size int) []byte {
	b.take(size)
	return b.Allocator.Allocate(size)
}

func (b *budget) Reallocate(size int, old []byte) []byte {
	b.take(size)
	return b.Allocator.Reallocate(size, old)
}
