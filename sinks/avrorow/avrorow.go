// Package avrorow writes rows in Avro. Its schema follows from the Arrow schema of package arrowrow, so the column table in vecmill/schemas stays the only
// place that names a column: a nullable column is a union with null, whose default is null, and numbers of half precision are floats.
package avrorow

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/hamba/avro/v2"

	"vecmill/schemas"
	"vecmill/sinks/arrowrow"
)

// Schema is the Avro schema of rows of every task, as JSON. A column that is added later has a default, so old readers and old data go on.
func Schema() (string, error) {
	var fields []map[string]any
	for _, f := range arrowrow.WideSchema(schemas.Tasks()...).Fields() {
		t, err := typeOf(f.Type, f.Name)
		if err != nil {
			return "", fmt.Errorf("column %s: %w", f.Name, err)
		}
		field := map[string]any{"name": f.Name, "type": t}
		if doc, ok := f.Metadata.GetValue("comment"); ok {
			field["doc"] = doc
		}
		if f.Nullable {
			field["type"], field["default"] = []any{"null", t}, nil
		}
		fields = append(fields, field)
	}
	text, err := json.Marshal(map[string]any{"type": "record", "name": "Row", "namespace": "vecmill.v1", "fields": fields})
	return string(text), err
}

// typeOf is an Arrow type as an Avro type; records in it are named after their column.
func typeOf(t arrow.DataType, name string) (any, error) {
	switch t := t.(type) {
	case *arrow.MapType:
		return map[string]any{"type": "map", "values": "string"}, nil
	case *arrow.ListType:
		items, err := typeOf(t.Elem(), name)
		return map[string]any{"type": "array", "items": items}, err
	case *arrow.StructType:
		var fields []map[string]any
		for _, f := range t.Fields() {
			inner, err := typeOf(f.Type, name+"_"+f.Name)
			if err != nil {
				return nil, err
			}
			fields = append(fields, map[string]any{"name": f.Name, "type": inner})
		}
		return map[string]any{"type": "record", "name": name + "_item", "fields": fields}, nil
	case *arrow.TimestampType:
		return map[string]any{"type": "long", "logicalType": "timestamp-micros"}, nil
	}
	for arrowType, avroType := range map[arrow.Type]string{
		arrow.STRING: "string", arrow.BINARY: "bytes", arrow.BOOL: "boolean", arrow.INT32: "int", arrow.INT64: "long", arrow.FLOAT32: "float", arrow.FLOAT64: "double",
	} {
		if t.ID() == arrowType {
			return avroType, nil
		}
	}
	return nil, fmt.Errorf("there is no Avro type for %s", t)
}

// Encoder encodes rows. Safe for concurrent use. Create it with NewEncoder.
type Encoder struct{ builders sync.Pool } // a builder costs more to make than a row to encode

// NewEncoder makes an encoder.
func NewEncoder() *Encoder { return &Encoder{} }

// Append appends a row in Avro's binary form, without its schema.
func (e *Encoder) Append(b []byte, r *schemas.Row) ([]byte, error) {
	builder, ok := e.builders.Get().(*arrowrow.Builder)
	if !ok {
		var err error
		if builder, err = arrowrow.NewWideBuilder(memory.DefaultAllocator, schemas.Tasks()...); err != nil {
			return b, err
		}
	}
	defer e.builders.Put(builder)
	if err := builder.Append(r); err != nil {
		return b, err
	}
	rec := builder.NewRecord()
	defer rec.Release()
	w := avro.NewWriter(io.Discard, 4096)
	for i, f := range rec.Schema().Fields() {
		column := rec.Column(i)
		if f.Nullable {
			if column.IsNull(0) {
				w.WriteLong(0) // the union's first type
				continue
			}
			w.WriteLong(1)
		}
		put(w, column, 0)
	}
	return append(b, w.Buffer()...), w.Error
}

// put writes value i of a column.
func put(w *avro.Writer, column arrow.Array, i int) {
	switch a := column.(type) {
	case *array.String:
		w.WriteString(a.Value(i))
	case *array.Binary:
		w.WriteBytes(a.Value(i))
	case *array.Boolean:
		w.WriteBool(a.Value(i))
	case *array.Int32:
		w.WriteInt(a.Value(i))
	case *array.Int64:
		w.WriteLong(a.Value(i))
	case *array.Timestamp:
		w.WriteLong(int64(a.Value(i)))
	case *array.Float32:
		w.WriteFloat(a.Value(i))
	case *array.Float64:
		w.WriteDouble(a.Value(i))
	case *array.Map:
		first, next := a.ValueOffsets(i)
		block(w, first, next, func(j int) {
			put(w, a.Keys(), j)
			put(w, a.Items(), j)
		})
	case *array.List:
		first, next := a.ValueOffsets(i)
		block(w, first, next, func(j int) { put(w, a.ListValues(), j) })
	case *array.Struct:
		for k := range a.NumField() {
			put(w, a.Field(k), i)
		}
	default:
		panic(fmt.Sprintf("avrorow: a column of %s, which has no Avro type", column.DataType()))
	}
}

// block writes items as one block and the end of blocks.
func block(w *avro.Writer, first, next int64, item func(int)) {
	if next > first {
		w.WriteLong(next - first)
	}
	for j := first; j < next; j++ {
		item(int(j))
	}
	w.WriteLong(0)
}
