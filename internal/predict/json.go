package predict

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// decode reads a value of JSON into place. Its errors speak of JSON, not of Go.
func decode(raw []byte, place any) error {
	return plainly(json.Unmarshal(raw, place))
}

// plainly turns the decoder's errors about Go's types into ones about values.
func plainly(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		what := "it"
		if mismatch.Field != "" {
			what = mismatch.Field
		}
		return errors.New(what + " must be " + kind(mismatch.Type) + ", and is " + found(mismatch.Value))
	}
	if err == nil {
		return nil
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return errors.New("there is no key " + field)
	}
	return err
}

// found is what the decoder found, with its article: a number it names, of the rest only the kind.
func found(value string) string {
	if n, ok := strings.CutPrefix(value, "number "); ok {
		return n
	}
	switch value {
	case "bool":
		return "true or false"
	case "array", "object":
		return "an " + value
	}
	return "a " + value
}

// kind is what a type of Go holds, in words of JSON.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Pointer:
		return kind(t.Elem())
	}
	return "an object"
}
