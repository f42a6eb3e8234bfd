package config

import (
	"encoding"
	"reflect"
	"strings"
)

// Schema describes a configuration file in JSON Schema (draft 7). Unknown settings are errors, as they are for Parse; what Parse checks beyond names and types is
// not in it.
func Schema() map[string]any {
	return schemaOf(reflect.TypeFor[Config]())
}

func schemaOf(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return map[string]any{"type": []string{"string", "number"}}
	}
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			s := schemaOf(t.Field(i).Type)
			if doc := t.Field(i).Tag.Get("doc"); doc != "" {
				s["description"] = doc
			}
			properties[name] = s
		}
		return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": []string{"string", "number"}} // what has only digits need not be quoted
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}
