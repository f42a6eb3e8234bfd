package encoder

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed is what calls answer after Close, and those that Close has interrupted.
var ErrClosed = errors.New("the encoder is closed")

// InputErrors are the inputs of one call that have no vector, by ascending index; at least one. The call's other vectors are there.
//
//	vectors, err := e.Texts(ctx, texts)
//	if faults, ok := errors.AsType[encoder.InputErrors](err); ok { ... }
type InputErrors []InputError

// InputError says why an input has no vector. Trying again does not help: Err is a rejection, of which [schemas.Rejected] tells the class, such as decode, too-large or too-short.
type InputError struct {
	Index int   // in the list
	Err   error // [schemas.Rejected] tells its class
}

// shown is how many inputs an error names.
const shown = 3

// Error names the first inputs.
func (e InputErrors) Error() string {
	parts := make([]string, 0, shown+1)
	for i := range e[:min(len(e), shown)] {
		parts = append(parts, e[i].Error())
	}
	if more := len(e) - shown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives the errors of the inputs.
func (e InputErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return all
}

// Error names the input and the cause.
func (e InputError) Error() string { return fmt.Sprintf("input %d: %v", e.Index, e.Err) }

// Unwrap gives the cause.
func (e InputError) Unwrap() error { return e.Err }
