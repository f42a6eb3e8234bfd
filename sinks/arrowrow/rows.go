package arrowrow

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"vecmill/schemas"
)

// Rows reads a record back. Columns are found by name; columns that this build does not know are passed over, and columns
// that are not there leave their fields zero. A column of another type than this build's is an error that names it.
func Rows(rec arrow.Record) ([]schemas.Row, error) {
	want, wide := Schema(schemas.Tasks()...), WideSchema(schemas.Tasks()...)
	known := columns()
	rows := make([]schemas.Row, rec.NumRows())
	for i, f := range rec.Schema().Fields() {
		c, ok := known[f.Name]
		if !ok {
			continue
		}
		k := want.FieldIndices(f.Name)[0]
		if t := want.Field(k).Type; !sameShape(f.Type, t) && !sameShape(f.Type, wide.Field(k).Type) {
			return nil, fmt.Errorf("reading rows: column %s is %s, want %s", f.Name, f.Type, t)
		}
		a := rec.Column(i)
		for j := range rows {
			if a.IsValid(j) {
				c.read(a, j, &rows[j])
			}
		}
	}
	return rows, nil
}

// sameShape compares types by what decides how they are read: type ids all the way down. Names of list elements and
// nullability differ between writers and do not matter.
func sameShape(a, b arrow.DataType) bool {
	if a.ID() != b.ID() {
		return false
	}
	x, ok := a.(arrow.NestedType)
	if !ok {
		return true
	}
	y := b.(arrow.NestedType)
	if x.NumFields() != y.NumFields() {
		return false
	}
	for i := range x.Fields() {
		if !sameShape(x.Fields()[i].Type, y.Fields()[i].Type) {
			return false
		}
	}
	return true
}
