package syslib

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMissing is in the error of [Open] when no library of the names can be loaded, for whatever reason.
var ErrMissing = errors.New("not loaded")

// ErrNoLoader is in the error of [Open] besides, when this build loads no libraries at all.
var ErrNoLoader = errors.New("this build loads no system libraries")

// Library is a shared library that has been opened.
type Library struct {
	name   string
	path   string
	handle uintptr
}

// Symbol is a function to bind: Func is a pointer to a variable of a Go function type that matches the C one, such as
// *func(rate float64, channels uint32) uintptr. C's int is int32, size_t is uintptr, const char* is string, a pointer is uintptr, unsafe.Pointer or *T,
// an array is a slice.
type Symbol struct {
	Name string // in the library
	Func any    // set by Open
}

// Open loads the first of names that can be: "libsoxr.so.0", "libsoxr.so". The error says what was wrong with each.
func Open(names ...string) (*Library, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("opening a library: no name: %w", ErrMissing)
	}
	var faults []string
	for _, name := range names {
		handle, err := load(name)
		if errors.Is(err, ErrNoLoader) {
			return nil, fmt.Errorf("library %s: %w: %w", names[0], ErrMissing, err)
		}
		if err == nil {
			return &Library{name: name, path: name, handle: handle}, nil
		}
		faults = append(faults, strings.TrimSpace(err.Error()))
	}
	return nil, fmt.Errorf("library %s: %w: %s", names[0], ErrMissing, strings.Join(faults, "; "))
}

// Name is the name that the library was opened by.
func (l *Library) Name() string { return l.name }

// Path is the file that the library was loaded from, or its name until a function of it has been bound, or where the system does not say.
func (l *Library) Path() string { return l.path }

// Bind is called before the library is shared between goroutines. It sets the variables of a table to the library's functions: all, or with an error that names each that is missing, none.
func (l *Library) Bind(table ...Symbol) error {
	at := make([]uintptr, len(table))
	var missing []string
	for i, s := range table {
		if err := check(s); err != nil {
			return fmt.Errorf("library %s: %w", l.name, err)
		}
		p, err := find(l.handle, s.Name)
		if err != nil {
			missing = append(missing, s.Name)
		}
		at[i] = p
	}
	if len(missing) > 0 {
		return fmt.Errorf("library %s has no function %s: another version than is expected", l.name, strings.Join(missing, ", "))
	}
	for i, s := range table {
		bind(s.Func, at[i])
	}
	if len(at) > 0 {
		if path := fileOf(at[0]); path != "" {
			l.path = path
		}
	}
	return nil
}
