package arrowrow

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"vecmill/schemas"
)

// Schema is the Arrow schema of rows of the given tasks: the lineage columns, then the payload columns of each task.
func Schema(tasks ...schemas.Task) *arrow.Schema {
	cols := schemas.Columns(tasks...)
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{
			Name: c.Name, Type: dataType(c.Type), Nullable: c.Nullable,
			Metadata: arrow.NewMetadata([]string{"comment"}, []string{c.Doc}),
		}
	}
	return arrow.NewSchema(fields, nil)
}

// WideSchema is Schema for stores that know no float16: numbers of half precision are float32, which holds each of them exactly.
func WideSchema(tasks ...schemas.Task) *arrow.Schema {
	fields := Schema(tasks...).Fields()
	for i := range fields {
		if arrow.TypeEqual(fields[i].Type, dataType(schemas.Float16List)) {
			fields[i].Type = dataType(schemas.Float32List)
		}
	}
	return arrow.NewSchema(fields, nil)
}

// SingleSchema is Schema without the columns of half precision, which some readers refuse a file for (Spark 4).
func SingleSchema(tasks ...schemas.Task) *arrow.Schema {
	fields := Schema(tasks...).Fields()
	return arrow.NewSchema(slices.DeleteFunc(fields, func(f arrow.Field) bool { return arrow.TypeEqual(f.Type, dataType(schemas.Float16List)) }), nil)
}

// dataType is the Arrow type of a column type; a type without one is a bug in this package.
func dataType(t schemas.ColumnType) arrow.DataType {
	switch t {
	case schemas.String:
		return arrow.BinaryTypes.String
	case schemas.Int32:
		return arrow.PrimitiveTypes.Int32
	case schemas.Int64:
		return arrow.PrimitiveTypes.Int64
	case schemas.Float32:
		return arrow.PrimitiveTypes.Float32
	case schemas.Float64:
		return arrow.PrimitiveTypes.Float64
	case schemas.Bool:
		return arrow.FixedWidthTypes.Boolean
	case schemas.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case schemas.Float32List:
		return arrow.ListOfNonNullable(arrow.PrimitiveTypes.Float32)
	case schemas.Float16List:
		return arrow.ListOfNonNullable(arrow.FixedWidthTypes.Float16)
	case schemas.Binary:
		return arrow.BinaryTypes.Binary
	case schemas.StringMap:
		return arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)
	}
	if fields := elements(t); fields != nil {
		return arrow.ListOfNonNullable(arrow.StructOf(fields...))
	}
	panic(fmt.Sprintf("arrowrow: no Arrow type for column type %d", t))
}

// elements are the fields of the structs in a list, none of which is ever null; nil for other types.
func elements(t schemas.ColumnType) []arrow.Field {
	field := func(name string, typ arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: typ}
	}
	var (
		text  = arrow.BinaryTypes.String
		count = arrow.PrimitiveTypes.Int32
		score = arrow.PrimitiveTypes.Float32
		exact = arrow.PrimitiveTypes.Float64
	)
	switch t {
	case schemas.WordList:
		return []arrow.Field{field("word", text), field("start", exact), field("end", exact), field("score", score)}
	case schemas.LabelList:
		return []arrow.Field{field("label", text), field("score", score)}
	case schemas.SegmentList:
		return []arrow.Field{field("label", text), field("start", exact), field("end", exact), field("score", score)}
	case schemas.EntityList:
		return []arrow.Field{field("label", text), field("text", text), field("start", count), field("end", count), field("score", score)}
	case schemas.AreaList:
		return []arrow.Field{field("class", count), field("label", text), field("share", exact)}
	case schemas.RunList:
		return []arrow.Field{field("class", count), field("length", count)}
	case schemas.FillingList:
		return []arrow.Field{field("mask", count), field("token", count), field("text", text), field("sequence", text), field("score", score)}
	case schemas.AnswerList:
		return []arrow.Field{field("text", text), field("start", count), field("end", count), field("score", score)}
	}
	return nil
}
