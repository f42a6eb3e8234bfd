package pgvectorsink

import (
	"context"
	"errors"
	"fmt"

	"vecmill/schemas"
)

// errGap says that offsets between what is stored and what is to be written are nowhere: somebody changed T_sources.
var errGap = errors.New("offsets are missing before the range")

// store keeps batches and progress together.
type store interface {
	// next is the first offset of src that is not stored.
	next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error)

	// put stores what of b is not stored yet, in one step, and gives the first offset of its source that is not stored then.
	put(ctx context.Context, b batch) (next int64, err error)

	// ranges are what the transactions that touch span covered, in order.
	ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error)

	// rows are those that the transaction of r wrote, as they are now, and the offsets of those that a later tombstone has taken away.
	rows(ctx context.Context, r schemas.Range) (rows []schemas.Row, gone []int64, err error)

	close()
}

// batch is a contiguous stretch of one source.
type batch struct {
	r    schemas.Range
	rows []schemas.Row
}

// entry is one range handed to Write.
type entry struct {
	batch
	bytes int64
	done  func(error)
}

// joined makes one batch of entries that follow each other.
func joined(entries []entry) batch {
	b := batch{r: schemas.Range{Source: entries[0].r.Source, Span: schemas.Span{First: entries[0].r.First, Next: entries[0].r.First}}}
	for i := range entries {
		e := &entries[i]
		b.r.Next = e.r.Next
		b.r.Dead, b.r.Skipped, b.r.Lost = append(b.r.Dead, e.r.Dead...), append(b.r.Skipped, e.r.Skipped...), append(b.r.Lost, e.r.Lost...)
		b.r.Deletes = append(b.r.Deletes, e.r.Deletes...)
		b.rows = append(b.rows, e.rows...)
	}
	return b
}

// after is what of b lies at next and behind. Of a source that is not known, everything before the batch counts as skipped, so that ranges begin at 0.
func (b batch) after(next int64, known bool) (batch, error) {
	switch {
	case !known:
		if b.r.First > 0 {
			b.r.Skipped = append([]schemas.Span{{First: 0, Next: b.r.First}}, b.r.Skipped...)
			b.r.First = 0
		}
		return b, nil
	case next < b.r.First:
		return b, fmt.Errorf("%w: %s is stored up to %d, the range begins at %d", errGap, b.r.Source, next, b.r.First)
	case next == b.r.First:
		return b, nil
	}
	out := batch{r: schemas.Range{Source: b.r.Source, Span: schemas.Span{First: next, Next: max(next, b.r.Next)}}}
	out.r.Dead, out.r.Skipped, out.r.Lost = from(b.r.Dead, next), from(b.r.Skipped, next), from(b.r.Lost, next)
	out.r.Deletes = schemas.ClipDeletions(b.r.Deletes, next, out.r.Next)
	for i := range b.rows {
		if b.rows[i].Offset >= next {
			out.rows = append(out.rows, b.rows[i])
		}
	}
	return out, nil
}

// from is the part of spans at next and behind.
func from(spans []schemas.Span, next int64) []schemas.Span {
	var out []schemas.Span
	for _, s := range spans {
		if s.First = max(s.First, next); s.First < s.Next {
			out = append(out, s)
		}
	}
	return out
}
