//go:build !nosyslib && (linux || darwin) && (amd64 || arm64)

package syslib

import (
	"fmt"
	"reflect"

	"github.com/ebitengine/purego"
)

func load(name string) (uintptr, error) {
	// Local: two libraries that bring the same symbol do not meet. Now: a library with a missing dependency fails here, not in the middle of a call.
	return purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func find(handle uintptr, symbol string) (uintptr, error) { return purego.Dlsym(handle, symbol) }

func bind(fn any, at uintptr) { purego.RegisterFunc(fn, at) }

// check finds what bind would panic about.
func check(s Symbol) error {
	t := reflect.TypeOf(s.Func)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Func || reflect.ValueOf(s.Func).IsNil() {
		return fmt.Errorf("function %s is bound to a %T, want a pointer to a function variable", s.Name, s.Func)
	}
	if t.Elem().NumOut() > 1 {
		return fmt.Errorf("function %s is bound to %s: a C function returns one value", s.Name, t.Elem())
	}
	return nil
}

// Callback makes a C function of a Go one, which takes and returns integers and pointers only. The process has room for a few hundred, and none is ever given
// back: make them once, and tell calls apart by an argument.
func Callback(fn any) uintptr { return purego.NewCallback(fn) }
