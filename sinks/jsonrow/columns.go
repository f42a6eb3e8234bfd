package jsonrow

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"vecmill/schemas"
)

// field is a field of an object: its name in JSON, and whether it is left out without a value.
type field struct {
	name     string
	optional bool
}

var fields = fieldsOf(reflect.TypeFor[object]())

func fieldsOf(t reflect.Type) (out []field) {
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, field{name, options == "omitempty"})
	}
	return out
}

// Columns are what Append writes, each column's value under its name: for those who want some of the columns, or in another order, and need not read the line
// again for that.
func Columns(r *schemas.Row) (map[string]json.RawMessage, error) {
	v := reflect.ValueOf(objectOf(r)).Elem()
	out := make(map[string]json.RawMessage, len(fields))
	for i, f := range fields {
		if f.optional && empty(v.Field(i)) {
			continue
		}
		text, err := valueOf(v.Field(i).Interface())
		if err != nil {
			return nil, fmt.Errorf("row %s: column %s as JSON: %w", r.RowID, f.name, err)
		}
		out[f.name] = text
	}
	return out, nil
}

// empty is what omitempty means.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

func valueOf(x any) ([]byte, error) {
	if m, ok := x.(json.Marshaler); ok {
		return m.MarshalJSON() // whose text json.Marshal would read once more
	}
	return json.Marshal(x)
}
