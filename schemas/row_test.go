package schemas_test

import (
	"reflect"
	"strings"
	"testing"

	"vecmill/schemas"
)

func TestEveryTaskHasColumns(t *testing.T) {
	for _, task := range schemas.Tasks() {
		if len(schemas.PayloadColumns(task)) == 0 {
			t.Errorf("%s has none", task)
		}
	}
}

// TestSizeCountsEveryField lengthens each text and each list of a payload, those too that are added later: the memory of rows is bounded by what Size says.
func TestSizeCountsEveryField(t *testing.T) {
	counted := 0
	var each func(path string, row *schemas.Row, v reflect.Value)
	each = func(path string, row *schemas.Row, v reflect.Value) {
		const long = 1000
		before, takes := row.Size(), int64(0)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				each(path+"."+v.Type().Field(i).Name, row, v.Field(i))
			}
			return
		case reflect.String:
			v.SetString(strings.Repeat("x", long))
			takes = long
		case reflect.Slice:
			list := reflect.MakeSlice(v.Type(), long, long)
			takes = long * int64(v.Type().Elem().Size())
			for i := range long {
				takes += int64(9 * len(textsOf(list.Index(i), "nine long")))
			}
			v.Set(list)
		default:
			return
		}
		counted++
		if got := row.Size() - before; got < takes {
			t.Errorf("%s: %d bytes more, and it takes %d", path, got, takes)
		}
	}
	var row schemas.Row
	each("Row.Payload", &row, reflect.ValueOf(&row.Payload).Elem())
	if counted < 14 {
		t.Errorf("only %d fields", counted)
	}
}
