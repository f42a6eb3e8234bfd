package predict

import (
	"context"
	"errors"
	"fmt"
)

// InputError is a fault of what was given: the checkpoint, an option, an input.
type InputError struct{ err error }

// Error is the fault, in a sentence.
func (e InputError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e InputError) Unwrap() error { return e.err }

func faultf(format string, args ...any) error { return InputError{fmt.Errorf(format, args...)} }

// fault marks an error as the input's, unless it only says that the context has ended.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return InputError{err}
}
