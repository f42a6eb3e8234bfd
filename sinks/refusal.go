package sinks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"vecmill/schemas"
)

// Checker is a sink that knows of some rows beforehand that it will never take them: vectors of a wrong dimension, numbers that are not finite.
type Checker interface {
	// Check says why Write would refuse a row, which then becomes a dead letter before any sink has it. It does not block, does no I/O, keeps nothing of
	// row, and is safe for concurrent use.
	Check(row *schemas.Row) error
}

// RefusedError is given to done when the store took all of a range but the rows of some offsets, and never will take these: they become dead
// letters. Only a sink whose Resume never knows may give it: with progress of its own, a crash before the letters are durable would lose them (I1).
type RefusedError struct {
	Offsets []RefusedOffset // ascending, at least one
}

// RefusedOffset is one record whose rows were refused, or a deletion that it brought.
type RefusedOffset struct {
	Offset   int64
	Err      error
	Deletion bool
}

// RefusedOnce is what was refused, ascending and each offset once: the first that was said of it, a deletion before rows.
func RefusedOnce(all []RefusedOffset) []RefusedOffset {
	slices.SortStableFunc(all, func(a, b RefusedOffset) int {
		switch {
		case a.Offset != b.Offset || a.Deletion == b.Deletion:
			return cmp.Compare(a.Offset, b.Offset)
		case a.Deletion:
			return -1
		}
		return 1
	})
	return slices.CompactFunc(all, func(a, b RefusedOffset) bool { return a.Offset == b.Offset })
}

// Error names the first.
func (e *RefusedError) Error() string {
	first := e.Offsets[0]
	if more := len(e.Offsets) - 1; more > 0 {
		return fmt.Sprintf("offset %d was refused, and %d more: %v", first.Offset, more, first.Err)
	}
	return fmt.Sprintf("offset %d was refused: %v", first.Offset, first.Err)
}

// AsRefused is err if it is a RefusedError, else nil.
func AsRefused(err error) *RefusedError {
	no, _ := errors.AsType[*RefusedError](err)
	return no
}

// worse joins what two sinks say of one range: a fault outweighs refusals, which add up.
func worse(a, b error) error {
	x, y := AsRefused(a), AsRefused(b)
	switch {
	case a != nil && x == nil, b == nil:
		return a
	case y == nil, a == nil:
		return b
	}
	return &RefusedError{RefusedOnce(append(slices.Clone(x.Offsets), y.Offsets...))}
}
