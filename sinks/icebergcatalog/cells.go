package icebergcatalog

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"

	"vecmill/sinks/parquetfile"
)

// cells gives the values of a column of some rows.
type cells func(row int) parquetfile.Value

// cellsOf reads a column of text, bytes, whole numbers, truths or times; a time is microseconds since 1970. Texts are copies: they outlive the column.
func cellsOf(a arrow.Array) (cells, error) {
	var get cells
	switch a := a.(type) {
	case interface {
		arrow.Array
		Value(int) string
	}: // text, long or short
		before := "" // one that comes again is not copied again
		get = func(i int) parquetfile.Value {
			if text := a.Value(i); text != before {
				before = strings.Clone(text)
			}
			return parquetfile.Value{Text: before}
		}
	case interface {
		arrow.Array
		Value(int) []byte
	}: // bytes, long, short or of one length
		get = func(i int) parquetfile.Value { return parquetfile.Value{Text: string(a.Value(i))} }
	case *array.Int32:
		get = func(i int) parquetfile.Value { return parquetfile.Value{Int: int64(a.Value(i))} }
	case *array.Int64:
		get = func(i int) parquetfile.Value { return parquetfile.Value{Int: a.Value(i)} }
	case *array.Timestamp:
		get = func(i int) parquetfile.Value { return parquetfile.Value{Int: int64(a.Value(i))} }
	case *array.Boolean:
		get = func(i int) parquetfile.Value {
			if a.Value(i) {
				return parquetfile.Value{Int: 1}
			}
			return parquetfile.Value{}
		}
	case *extensions.UUIDArray:
		get = func(i int) parquetfile.Value { return parquetfile.Value{Text: a.Value(i).String()} }
	default:
		return nil, fmt.Errorf("it is of type %s, neither text nor a whole number", a.DataType())
	}
	return func(i int) parquetfile.Value {
		if a.IsNull(i) {
			return parquetfile.Value{Null: true}
		}
		return get(i)
	}, nil
}
