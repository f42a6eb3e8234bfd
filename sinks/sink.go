package sinks

import (
	"context"
	"errors"

	"vecmill/schemas"
)

// ErrFenced is given to done when the output ends before the range, because another owner has taken the source over and began it elsewhere, or because the output was taken back: the rows are not durable here, and must not
// be committed here. It is not a fault: Resume tells where to go on.
var ErrFenced = errors.New("sink: another owner has taken over this source")

// ErrForgotten is given to done for ranges that Forget dropped.
var ErrForgotten = errors.New("sink: the source was given up before its rows were durable")

// Sink makes rows durable. It is safe for concurrent use, but Write is called for one source from one goroutine at a time.
type Sink interface {
	// Resume begins or resumes a source: it drops whatever this sink still buffers for src and returns the first offset that
	// is not yet durable in it. known is false if nothing of src is stored: next is then 0, or, of several outputs of which some have nothing, the least end of the others, behind which nothing may begin. from is a hint: everything
	// before it is durable (0 if that is not known); a sink may begin looking there. It is called before the first Write of src and again
	// after every reassignment.
	Resume(ctx context.Context, src schemas.SourceID, from int64) (next int64, known bool, err error)

	// Write hands over a range and its rows, which may be none. The sink owns rows from then on. If Write returns nil, done is called
	// exactly once, from any goroutine, possibly before Write returns: nil once the range is durable, an error when it never will be here (a RefusedError,
	// ErrFenced, ErrForgotten, or the store's last error after retries). If Write returns an error, done is not called. Write may block as backpressure;
	// with a ctx that is over it does not, and takes what there is room for.
	// Offsets that the sink already has (before what Resume said) are dropped and reported durable.
	Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error

	// Flush makes everything written so far durable and returns after every outstanding done of it has been called. Its error is the first of
	// theirs, unless that is a RefusedError, or ctx's; after an error the call may be repeated.
	Flush(ctx context.Context) error

	// Forget drops what is buffered for src without making it durable; each outstanding done gets ErrForgotten, and a Write of src that waits returns an error.
	// It does not block on the store.
	Forget(src schemas.SourceID)

	// Close flushes and releases everything. It may be called twice, and without any Write.
	Close(ctx context.Context) error
}

// Letter is a dead letter: a record that will never give a row, with what a person needs to understand and replay it.
type Letter struct {
	Source   schemas.SourceID
	Offset   int64
	Reason   schemas.Reason
	Message  string // the error, one line
	Attempts int
	Key      []byte
	Value    []byte // the reference exactly as it arrived
	Headers  []Header
}

// Header is one header of the source record, in its order.
type Header struct {
	Key   string
	Value []byte
}

// DeadLetters stores letters. Put returns nil only once the letter is durable; putting the same source and offset again
// replaces or repeats the letter (its identity is source and offset). Safe for concurrent use.
type DeadLetters interface {
	Put(ctx context.Context, l Letter) error
	Close(ctx context.Context) error
}
