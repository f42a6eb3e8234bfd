package pgvectorsink

import (
	"errors"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// errGap says that offsets between what is stored and what is to be written are nowhere: somebody changed T_sources.
var errGap = errors.New("offsets are missing before the range")

// batch is a contiguous stretch of one source.
type batch struct {
	r    schemas.Range
	rows []schemas.Row
}

// batchOf is a part as a batch. Its deletions are those of the range.
func batchOf(p *deliver.Part) batch {
	b := batch{r: p.Range}
	for _, it := range p.Items {
		if it.Row != nil {
			b.rows = append(b.rows, *it.Row)
		}
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
	return b.cut(schemas.Span{First: next, Next: b.r.Next}), nil
}

// cut is what of b lies in span.
func (b batch) cut(span schemas.Span) batch {
	out := batch{r: b.r.Cut(span.First, span.Next)}
	for i := range b.rows {
		if o := b.rows[i].Offset; o >= out.r.First && o < out.r.Next {
			out.rows = append(out.rows, b.rows[i])
		}
	}
	return out
}
