package pickle

import (
	"errors"
	"fmt"
)

// Global is what a pickle would import: module.name.
type Global struct{ Module, Name string }

// String is the dotted name.
func (g Global) String() string { return g.Module + "." + g.Name }

// Tuple is a Python tuple.
type Tuple []any

// List is a Python list, or a set, which reads as its items.
type List struct{ Items []any }

// Entry is one item of a Dict.
type Entry struct{ Key, Value any }

// Dict is a Python dict in order of insertion. A key that was set twice is there twice; the later one counts in Python.
type Dict struct{ Entries []Entry }

// Lookup finds the last value of a string key.
func (d *Dict) Lookup(key string) (any, bool) {
	for i := len(d.Entries) - 1; i >= 0; i-- {
		if k, ok := d.Entries[i].Key.(string); ok && k == key {
			return d.Entries[i].Value, true
		}
	}
	return nil, false
}

// Resolver gives meaning to what is not plain data. Its errors end the decoding and reach the caller of Decode.
type Resolver interface {
	// Global is what stands for an import, or an error that refuses it.
	Global(g Global) (any, error)
	// Call is the result of callee(args...); callee is a value of the resolver or any other value of the pickle.
	Call(callee any, args Tuple) (any, error)
	// Build takes the state that Python would hand to obj.__setstate__.
	Build(obj, state any) error
	// Persistent is what a persistent id stands for.
	Persistent(id any) (any, error)
}

// Data is the resolver of pickles that hold plain data only: it refuses everything.
type Data struct{}

// Global refuses.
func (Data) Global(g Global) (any, error) { return nil, refuse(g) }

// Call refuses.
func (Data) Call(any, Tuple) (any, error) { return nil, errors.New("the pickle calls a function") }

// Build refuses.
func (Data) Build(any, any) error { return errors.New("the pickle restores an object") }

// Persistent refuses.
func (Data) Persistent(any) (any, error) {
	return nil, errors.New("the pickle refers to a persistent id")
}

func refuse(g Global) error { return fmt.Errorf("the pickle needs %s, which is not read", g) }
