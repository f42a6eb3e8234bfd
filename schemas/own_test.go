package schemas_test

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"vecmill/schemas"
)

// textsOf are the texts of a value, wherever there are fields for them; fill puts one into each.
func textsOf(v reflect.Value, fill string) (all []string) {
	switch v.Kind() {
	case reflect.String:
		if fill != "" {
			v.SetString(fill)
		}
		return []string{v.String()}
	case reflect.Struct:
		for i := range v.NumField() {
			all = append(all, textsOf(v.Field(i), fill)...)
		}
	case reflect.Slice:
		if fill != "" {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			all = append(all, textsOf(v.Index(i), fill)...)
		}
	}
	return all
}

// TestAPayloadOwnsItsTexts has a text in every field there is, also in those that are added later.
func TestAPayloadOwnsItsTexts(t *testing.T) {
	large := strings.Repeat("a large text ", 100)
	part := large[13:26]
	cut := func(s string) bool { return unsafe.StringData(s) == unsafe.StringData(part) }
	var p schemas.Payload
	textsOf(reflect.ValueOf(&p).Elem(), part)
	other := p
	p.Own()
	texts := textsOf(reflect.ValueOf(&p).Elem(), "")
	if len(texts) < 20 {
		t.Fatalf("%d texts", len(texts))
	}
	for i, s := range texts {
		if s != part || cut(s) {
			t.Errorf("text %d is %q, or a part of what it was cut from", i, s)
		}
	}
	for i, s := range textsOf(reflect.ValueOf(&other).Elem(), "") {
		if !cut(s) {
			t.Errorf("text %d of another payload with the same lists was changed", i)
		}
	}
}
