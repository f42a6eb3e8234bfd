package arrowrow

import (
	"fmt"

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
		return arrow.ListOf(arrow.PrimitiveTypes.Float32)
	case schemas.StringMap:
		return arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)
	case schemas.WordList:
		return arrow.ListOf(arrow.StructOf(
			arrow.Field{Name: "word", Type: arrow.BinaryTypes.String, Nullable: true},
			arrow.Field{Name: "start", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
			arrow.Field{Name: "end", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
			arrow.Field{Name: "score", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		))
	case schemas.LabelList:
		return arrow.ListOf(arrow.StructOf(
			arrow.Field{Name: "label", Type: arrow.BinaryTypes.String, Nullable: true},
			arrow.Field{Name: "score", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		))
	}
	panic(fmt.Sprintf("arrowrow: no Arrow type for column type %d", t))
}
