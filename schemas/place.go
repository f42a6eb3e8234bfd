package schemas

import (
	"context"
	"errors"
	"fmt"
)

// PlaceFault is the class of a fault of a place that a pipeline needs (an index, a table, a registry, a store), found when it starts: no record is concerned,
// none is lost, and the pipeline does not start. Reason is the same for records.
type PlaceFault string

// The classes of faults of places.
const (
	PlaceDimension   PlaceFault = "other-dimension" // vectors of another number of dimensions are there
	PlaceMetric      PlaceFault = "other-metric"    // its index compares vectors otherwise
	PlaceModel       PlaceFault = "other-model"     // results of another model are there
	PlaceLayout      PlaceFault = "other-layout"    // fields, columns or settings are not those that rows need, or it is somebody else's
	PlaceUnreachable PlaceFault = "unreachable"     // it did not answer, or was in trouble, at every try
)

// placeError is an error with its class.
type placeError struct {
	class PlaceFault
	err   error
}

func (p *placeError) Error() string { return p.err.Error() }
func (p *placeError) Unwrap() error { return p.err }

// OfPlace gives err a class.
func OfPlace(class PlaceFault, err error) error { return &placeError{class, err} }

// Unfitf says why a place is not for the rows that it would be given. Asking again does not help.
func Unfitf(class PlaceFault, format string, args ...any) error {
	return OfPlace(class, fmt.Errorf("it does not fit: "+format, args...))
}

// Unreachable marks what the last try of several gave, which final does not take for the place's answer. An err that has a class keeps it.
func Unreachable(err error, final func(error) bool) error {
	if _, known := PlaceFaultOf(err); err == nil || known || final(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return OfPlace(PlaceUnreachable, err)
}

// PlaceFaultOf is the class of a place's fault.
func PlaceFaultOf(err error) (PlaceFault, bool) {
	if p, ok := errors.AsType[*placeError](err); ok {
		return p.class, true
	}
	return "", false
}

// Unfit says that a place is not for the rows that it would be given.
func Unfit(err error) bool {
	class, ok := PlaceFaultOf(err)
	return ok && class != PlaceUnreachable
}
