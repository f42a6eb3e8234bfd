package icebergcatalog

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/iceberg-go"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

// wantedSchema is the columns of rows of the given tasks, with numbers that only hold inside of it: the catalog gives its own.
func wantedSchema(tasks []schemas.Task) *iceberg.Schema {
	n := numberer(0)
	return iceberg.NewSchema(0, n.fields(icebergsink.Schema(tasks...).Fields())...)
}

// numberer turns Arrow types into Iceberg's and numbers every field.
type numberer int

func (n *numberer) next() int {
	*n++
	return int(*n)
}

func (n *numberer) fields(of []arrow.Field) []iceberg.NestedField {
	out := make([]iceberg.NestedField, len(of))
	for i, f := range of {
		doc, _ := f.Metadata.GetValue("comment")
		out[i] = iceberg.NestedField{ID: n.next(), Name: f.Name, Required: !f.Nullable, Doc: doc}
	}
	for i, f := range of { // the numbers of a level are beside each other, as in other writers' tables
		out[i].Type = n.kind(f.Type)
	}
	return out
}

// kind is the Iceberg type of an Arrow type; one without is a bug in icebergsink.Schema.
func (n *numberer) kind(t arrow.DataType) iceberg.Type {
	switch t := t.(type) {
	case *arrow.StringType:
		return iceberg.PrimitiveTypes.String
	case *arrow.BinaryType:
		return iceberg.PrimitiveTypes.Binary
	case *arrow.Int32Type:
		return iceberg.PrimitiveTypes.Int32
	case *arrow.Int64Type:
		return iceberg.PrimitiveTypes.Int64
	case *arrow.Float32Type:
		return iceberg.PrimitiveTypes.Float32
	case *arrow.Float64Type:
		return iceberg.PrimitiveTypes.Float64
	case *arrow.BooleanType:
		return iceberg.PrimitiveTypes.Bool
	case *arrow.TimestampType:
		return iceberg.PrimitiveTypes.TimestampTz
	case *arrow.ListType:
		l := &iceberg.ListType{ElementID: n.next(), ElementRequired: !t.ElemField().Nullable}
		l.Element = n.kind(t.Elem())
		return l
	case *arrow.MapType:
		m := &iceberg.MapType{KeyID: n.next(), ValueID: n.next(), ValueRequired: !t.ItemField().Nullable}
		m.KeyType, m.ValueType = n.kind(t.KeyType()), n.kind(t.ItemType())
		return m
	case *arrow.StructType:
		return &iceberg.StructType{FieldList: n.fields(t.Fields())}
	}
	panic(fmt.Sprintf("icebergcatalog: no Iceberg type for %s", t))
}

// walk calls each for every column and every part of one, with its path as icebergsink.View.FieldID is asked.
func walk(path string, t iceberg.Type, id int, each func(path string, id int, t iceberg.Type)) {
	if path != "" {
		each(path, id, t)
		path += "."
	}
	switch t := t.(type) {
	case *iceberg.StructType:
		for _, f := range t.FieldList {
			walk(path+f.Name, f.Type, f.ID, each)
		}
	case *iceberg.ListType:
		walk(path+"element", t.Element, t.ElementID, each)
	case *iceberg.MapType:
		walk(path+"key", t.KeyType, t.KeyID, each)
		walk(path+"value", t.ValueType, t.ValueID, each)
	}
}

// paths are the numbers of a schema's columns and their parts, and what they are.
func paths(s *iceberg.Schema) (ids map[string]int, kinds map[string]string) {
	ids, kinds = map[string]int{}, map[string]string{}
	root := s.AsStruct()
	walk("", &root, 0, func(path string, id int, t iceberg.Type) {
		ids[path], kinds[path] = id, t.Type()
	})
	return ids, kinds
}

// compare lists the columns that a table lacks, and says which one does not fit.
func compare(have, want *iceberg.Schema) (missing []iceberg.NestedField, err error) {
	_, kinds := paths(have)
	_, wanted := paths(want)
	for _, f := range want.Fields() {
		if _, ok := kinds[f.Name]; !ok {
			missing = append(missing, f)
			continue
		}
		var misfit error
		walk(f.Name, f.Type, 0, func(path string, _ int, t iceberg.Type) {
			if got := kinds[path]; got != t.Type() && misfit == nil {
				if got == "" {
					got = "not there"
				}
				misfit = fmt.Errorf("%w: column %s of the table is %s, and rows have %s there", errMisfit, path, got, wanted[path])
			}
		})
		if misfit != nil {
			return nil, misfit
		}
	}
	for _, f := range have.Fields() {
		if _, ok := wanted[f.Name]; !ok && f.Required {
			return nil, fmt.Errorf("%w: column %s of the table is required, and rows of this pipeline have no value for it", errMisfit, f.Name)
		}
	}
	return missing, nil
}
