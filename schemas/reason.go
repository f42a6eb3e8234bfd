package schemas

import (
	"errors"
	"fmt"
)

// Reason is the class of a permanent failure: what an operator groups dead letters by. It is an enumeration, so that it
// can be a metric's label.
type Reason string

// The reason classes.
const (
	ReasonSchema       Reason = "schema"        // the reference is not a valid Ref
	ReasonFetchMissing Reason = "fetch-missing" // the object does not exist, or not in the version asked for
	ReasonFetchDenied  Reason = "fetch-denied"  // the store refused, or the operator's allow-lists do
	ReasonFetchFailed  Reason = "fetch-failed"  // transient faults outlasted the retries
	ReasonTooLarge     Reason = "too-large"     // over a limit on bytes, pixels, seconds or tokens
	ReasonDecode       Reason = "decode"        // the bytes are not what their type says, or are damaged
	ReasonTooShort     Reason = "too-short"     // nothing for the model to see: empty, or shorter than its receptive field
	ReasonModel        Reason = "model"         // the model or a head failed on this item alone
	ReasonSinkReject   Reason = "sink-reject"   // a sink will never take this row
	ReasonPanic        Reason = "panic"         // a bug: a stage panicked on this item
)

// Reasons lists every reason class.
func Reasons() []Reason {
	return []Reason{
		ReasonSchema, ReasonFetchMissing, ReasonFetchDenied, ReasonFetchFailed, ReasonTooLarge,
		ReasonDecode, ReasonTooShort, ReasonModel, ReasonSinkReject, ReasonPanic,
	}
}

// Rejection is a permanent failure of one record: retrying cannot help, the record belongs in the dead letters under its
// reason. Every error that is not a Rejection is transient or fatal and never becomes a dead letter by itself.
type Rejection struct {
	Reason   Reason // the class
	Err      error  // what happened; never nil
	Attempts int    // tries that were made where it happened; 0 if it was not retried
}

// Reject marks err as permanent under a reason class. A nil err gives nil; an err that already is a Rejection keeps its own.
func Reject(r Reason, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := Rejected(err); ok {
		return err
	}
	return &Rejection{Reason: r, Err: err}
}

// Rejectf is Reject of a formatted error.
func Rejectf(r Reason, format string, args ...any) error {
	return Reject(r, fmt.Errorf(format, args...))
}

// Rejected says whether err is permanent, and why.
func Rejected(err error) (Reason, bool) {
	if x, ok := errors.AsType[*Rejection](err); ok {
		return x.Reason, true
	}
	return "", false
}

// Error is the reason class and the cause.
func (r *Rejection) Error() string { return string(r.Reason) + ": " + r.Err.Error() }

// Unwrap gives the cause.
func (r *Rejection) Unwrap() error { return r.Err }
