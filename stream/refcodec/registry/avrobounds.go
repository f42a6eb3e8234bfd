package registry

import (
	"fmt"

	"github.com/hamba/avro/v2"
)

// mostEmpty is how many items without bytes (nulls, records of nothing) a message may have in its lists.
const mostEmpty = 1000

// checkAvro walks through a message without keeping anything of it. The library makes room for a list when it reads how long it is, whatever is left of the message: lists
// in lists make gigabytes of a few hundred bytes. A message whose end is missing is left to the decoder, which names the field.
func checkAvro(s avro.Schema, b []byte) error {
	w := avroWalk{r: avro.NewReader(nil, 0, avro.WithReaderConfig(avroAPI)).Reset(b), left: int64(len(b)) + mostEmpty}
	return w.visit(s, mostNesting)
}

// avroWalk is a walk through a message.
type avroWalk struct {
	r    *avro.Reader
	left int64 // items that lists and maps may have from here on: one for each byte, and mostEmpty
}

func (w *avroWalk) visit(s avro.Schema, depth int) error {
	if depth == 0 {
		return fmt.Errorf("nested deeper than %d levels", mostNesting)
	}
	switch s := s.(type) {
	case *avro.RefSchema:
		return w.visit(s.Schema(), depth)
	case *avro.RecordSchema:
		for _, f := range s.Fields() {
			if err := w.visit(f.Type(), depth-1); err != nil || w.r.Error != nil {
				return err
			}
		}
	case *avro.UnionSchema:
		if i := w.r.ReadLong(); w.r.Error == nil && i >= 0 && i < int64(len(s.Types())) { // another one is the decoder's to refuse
			return w.visit(s.Types()[i], depth)
		}
	case *avro.ArraySchema:
		return w.blocks(func() error { return w.visit(s.Items(), depth-1) })
	case *avro.MapSchema:
		return w.blocks(func() error {
			w.r.SkipString()
			return w.visit(s.Values(), depth-1)
		})
	case *avro.FixedSchema:
		w.r.SkipNBytes(s.Size())
	default:
		w.scalar(s.Type())
	}
	return nil
}

// blocks walks through the items of a list or a map.
func (w *avroWalk) blocks(item func() error) error {
	for {
		n, _ := w.r.ReadBlockHeader()
		if w.r.Error != nil || n == 0 {
			return nil
		}
		if n < 0 || n > w.left {
			return fmt.Errorf("a list has %d items, more than the message has bytes", n)
		}
		w.left -= n
		for range n {
			if err := item(); err != nil || w.r.Error != nil {
				return err
			}
		}
	}
}

func (w *avroWalk) scalar(t avro.Type) {
	switch t {
	case avro.Boolean:
		w.r.SkipBool()
	case avro.Int, avro.Enum:
		w.r.SkipInt()
	case avro.Long:
		w.r.SkipLong()
	case avro.Float:
		w.r.SkipFloat()
	case avro.Double:
		w.r.SkipDouble()
	case avro.String, avro.Bytes:
		w.r.SkipString()
	}
}
