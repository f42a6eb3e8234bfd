package wire

import (
	"reflect"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
)

// TestEveryKindOfOutputIsThoughtOf asks of each, those too that are added later, what doctor and reembed go by.
func TestEveryKindOfOutputIsThoughtOf(t *testing.T) {
	unshared := map[string]string{ // kinds in which two pipelines' rows do not mix
		"parquet": "files are each pipeline's own", "arrow": "files are each pipeline's own", "jsonl": "lines, which each say their model", "kafka": "messages, which each say their model",
		"webhook": "requests, which each say their model", "flight": "streams, which each say their model",
	}
	vectors := []schemas.Row{{Payload: schemas.Payload{Vector: []float32{1, 2}}}}
	typ, kinds, told := reflect.TypeFor[config.Output](), 0, 0
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Type.Kind() != reflect.Pointer {
			continue
		}
		kinds++
		kind := field.Tag.Get("yaml")
		var o config.Output
		reflect.ValueOf(&o).Elem().Field(i).Set(reflect.New(field.Type.Elem()))
		if _, at := sharedPlace(&o); (at == "") != (unshared[kind] != "") {
			t.Errorf("%s: sharedPlace gives %q, and rows do not mix: %v", kind, at, unshared[kind] != "")
		}
		if dimension := reflect.ValueOf(&o).Elem().Field(i).Elem().FieldByName("Dimension"); dimension.IsValid() {
			told++
			if dimension.SetInt(3); checkDimension(&o, vectors) == nil {
				t.Errorf("%s: doctor takes vectors of 2 numbers for a dimension of 3", kind)
			}
		}
	}
	if kinds < 13 || told < 5 {
		t.Errorf("%d kinds, %d with a dimension", kinds, told)
	}
}
