//go:build !nosyslib && linux && (amd64 || arm64)

package syslib_test

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"vecmill/embed/syslib"
)

// The judge is the machine's own C library: every glibc system has libm.so.6 and libc.so.6.
func TestFunctionsOfTheSystemsLibraryAreCalled(t *testing.T) {
	l, err := syslib.Open("libvecmill-does-not-exist.so.7", "libm.so.6")
	if err != nil {
		t.Fatal(err)
	}
	if l.Name() != "libm.so.6" {
		t.Errorf("opened as %s", l.Name())
	}
	var cos func(float64) float64
	var powf func(float32, float32) float32
	if err := l.Bind(syslib.Symbol{Name: "cos", Func: &cos}, syslib.Symbol{Name: "powf", Func: &powf}); err != nil {
		t.Fatal(err)
	}
	if got := cos(1); math.Abs(got-math.Cos(1)) > 1e-15 {
		t.Errorf("cos(1) = %v", got)
	}
	if got := powf(2, 0.5); got != float32(math.Sqrt2) {
		t.Errorf("powf(2, 0.5) = %v", got)
	}
	if !filepath.IsAbs(l.Path()) || !strings.Contains(l.Path(), "libm") {
		t.Errorf("loaded from %q", l.Path())
	}
}

func TestCallbacksAreCalled(t *testing.T) {
	l, err := syslib.Open("libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	var qsort func(at []int32, n, width, less uintptr)
	if err := l.Bind(syslib.Symbol{Name: "qsort", Func: &qsort}); err != nil {
		t.Fatal(err)
	}
	order := syslib.Callback(func(a, b unsafe.Pointer) uintptr { return uintptr(int(*(*int32)(a)) - int(*(*int32)(b))) })
	x := []int32{5, 3, 9, 1}
	qsort(x, uintptr(len(x)), 4, order)
	for i, want := range []int32{1, 3, 5, 9} {
		if x[i] != want {
			t.Fatalf("sorted %v", x)
		}
	}
}

func TestErrorsNameTheLibraryAndTheFunction(t *testing.T) {
	_, err := syslib.Open("libvecmill-a.so.1", "libvecmill-b.so")
	if !errors.Is(err, syslib.ErrMissing) || errors.Is(err, syslib.ErrNoLoader) {
		t.Errorf("missing library: %v", err)
	}
	for _, part := range []string{"library libvecmill-a.so.1: not loaded", "libvecmill-b.so: cannot open shared object file"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v: want %q in it", err, part)
		}
	}
	l, err := syslib.Open("libm.so.6")
	if err != nil {
		t.Fatal(err)
	}
	cos := func(float64) float64 { return 7 }
	err = l.Bind(syslib.Symbol{Name: "cos", Func: &cos}, syslib.Symbol{Name: "soxr_create", Func: &cos}, syslib.Symbol{Name: "sf_open", Func: &cos})
	if err == nil || !strings.Contains(err.Error(), "libm.so.6 has no function soxr_create, sf_open") {
		t.Errorf("missing functions: %v", err)
	}
	if cos(0) != 7 {
		t.Error("a table with missing functions was bound in part")
	}
	for _, bad := range []any{nil, 1, cos, (*func())(nil), new(func() (int, int))} {
		if err := l.Bind(syslib.Symbol{Name: "cos", Func: bad}); err == nil || !strings.Contains(err.Error(), "function cos") {
			t.Errorf("bound to %T: %v", bad, err)
		}
	}
	if _, err := syslib.Open(); !errors.Is(err, syslib.ErrMissing) {
		t.Errorf("no name: %v", err)
	}
}
