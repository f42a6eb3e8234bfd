package wire

import (
	"reflect"
	"testing"

	"vecmill/internal/config"
)

// changed sets a setting to another value than it has.
func changed(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		other := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			other.Elem().Set(v.Elem())
		}
		changed(t, other.Elem())
		v.Set(other)
	default:
		t.Fatalf("no other value of %s is known", v.Type())
	}
}

// TestEverySettingOfAHeadReachesIt changes one after the other, those too that are added later: one that is left out would be taken from a configuration, and do nothing.
func TestEverySettingOfAHeadReachesIt(t *testing.T) {
	settings := 0
	var each func(path string, typ reflect.Type, of func(*config.Head) reflect.Value)
	each = func(path string, typ reflect.Type, of func(*config.Head) reflect.Value) {
		for i := range typ.NumField() {
			field, name := func(h *config.Head) reflect.Value { return of(h).Field(i) }, path+typ.Field(i).Tag.Get("yaml")
			if typ.Field(i).Type.Kind() == reflect.Struct {
				each(name+".", typ.Field(i).Type, field)
				continue
			}
			head := func() *config.Head {
				return &config.Head{Normalize: new(true), Decoding: config.Decoding{Search: "beam", LMScoreBoundary: new(true)}}
			}
			was, is := head(), head()
			changed(t, field(is))
			settings++
			if reflect.DeepEqual(headConfig(was), headConfig(is)) {
				t.Errorf("heads[].%s is not given to the head", name)
			}
		}
	}
	each("", reflect.TypeFor[config.Head](), func(h *config.Head) reflect.Value { return reflect.ValueOf(h).Elem() })
	if settings < 20 {
		t.Errorf("only %d settings", settings)
	}
}
