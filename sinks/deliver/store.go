package deliver

import (
	"context"
	"errors"
	"time"

	"vecmill/schemas"
)

// Store writes batches. Put is called from several goroutines, but for one source from one at a time and in order (D1). If it also is a sinks.Checker, the sink
// is one.
type Store interface {
	// Put makes every item of b durable, in the order of each part, or fails. It may be called again with the same items (D3). It owns nothing of b after it
	// returned. Errors are taken for transient unless they are Final or Refused.
	Put(ctx context.Context, b Batch) error

	// Close releases the store. It is called once, when no Put is under way.
	Close() error
}

// Progress is a Store that keeps, in the same step as the items, how far each source has come. Its Put drops what lies before that, and fails with a
// Final error if a part begins behind it.
type Progress interface {
	Store

	// Next is the first offset of src that is not stored. known is false if nothing of src is.
	Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error)
}

// Batch is what one Put writes: a stretch of each of some sources.
type Batch struct {
	Parts []Part
}

// Part is a stretch of one source.
type Part struct {
	schemas.Range        // has all of the items; to a Progress, offsets without an item have nothing to be stored, and Next is how far the source has come
	Items         []Item // the rows, and the range's deletions, ascending by offset
}

// Item is a row, or a deletion.
type Item struct {
	Offset int64
	Row    *schemas.Row // nil for a deletion
	Delete string       // id of the reference whose rows of smaller offsets of this source go
}

// Len is the number of items.
func (b *Batch) Len() int {
	n := 0
	for i := range b.Parts {
		n += len(b.Parts[i].Items)
	}
	return n
}

// Rows are the rows in order, without the deletions between them.
func (b *Batch) Rows() []*schemas.Row {
	out := make([]*schemas.Row, 0, b.Len())
	for i := range b.Parts {
		for _, it := range b.Parts[i].Items {
			if it.Row != nil {
				out = append(out, it.Row)
			}
		}
	}
	return out
}

// Upserts are the rows for a store that keeps one under each id: of several with one id the last.
func (b *Batch) Upserts() []*schemas.Row {
	all := b.Rows()
	last := make(map[string]int, len(all))
	for i, r := range all {
		last[r.RowID] = i
	}
	out := all[:0]
	for i, r := range all {
		if last[r.RowID] == i {
			out = append(out, r)
		}
	}
	return out
}

// Deletion is a deletion with its source.
type Deletion struct {
	Source schemas.SourceID
	schemas.Deletion
}

// Deletions are the deletions in order. A store that compares offsets may carry them out after the rows of the batch.
func (b *Batch) Deletions() []Deletion {
	var out []Deletion
	for i := range b.Parts {
		for _, it := range b.Parts[i].Items {
			if it.Row == nil {
				out = append(out, Deletion{b.Parts[i].Source, schemas.Deletion{Offset: it.Offset, RefID: it.Delete}})
			}
		}
	}
	return out
}

type refused struct{ error }

func (e refused) Unwrap() error { return e.error }

// Refused marks an error with which the store says that it will never take some item of the batch, for the item's own sake.
func Refused(err error) error { return refused{err} }

type final struct{ error }

func (e final) Unwrap() error { return e.error }

// Final marks an error that another try will not change, and that no single item has caused: credentials, a table of another shape.
func Final(err error) error { return final{err} }

type later struct {
	error
	wait time.Duration
}

func (e later) Unwrap() error { return e.error }

// Later marks a transient error of which the store says how long to wait at least.
func Later(err error, wait time.Duration) error { return later{err, wait} }

func isRefused(err error) bool {
	_, ok := errors.AsType[refused](err)
	return ok
}

func isFinal(err error) bool {
	_, ok := errors.AsType[final](err)
	return ok
}
