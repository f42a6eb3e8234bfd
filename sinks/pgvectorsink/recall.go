package pgvectorsink

import (
	"context"
	"fmt"
	"slices"

	"vecmill/schemas"
)

// Recall implements sinks.Recaller: it reads what the transactions covered, and their rows, one transaction at a time. A row that a later tombstone has taken
// away cannot be given back: an offset that has lost all of its rows is skipped, as the tombstone's is. One that a later record has written again comes for both offsets.
func (s *Sink) Recall(ctx context.Context, src schemas.SourceID, want schemas.Span, give func(schemas.Range, []schemas.Row) error) error {
	var all []schemas.Range
	err := s.patiently(ctx, func(ctx context.Context) (err error) {
		all, err = s.server.Ranges(ctx, src, want)
		return err
	})
	if err != nil {
		return fmt.Errorf("recalling %s: %w", src, err)
	}
	at := want.First
	for _, r := range all {
		b := batch{r: r}
		var gone []int64
		if err := s.patiently(ctx, func(ctx context.Context) (err error) {
			b.rows, gone, err = s.server.Rows(ctx, r)
			return err
		}); err != nil {
			return fmt.Errorf("recalling offsets %d to %d of %s: %w", r.First, r.Next-1, src, err)
		}
		b.r.Unskip(b.rows)
		b.r.Skipped = with(b.r.Skipped, without(gone, b.rows))
		if b = b.cut(want); b.r.First != at {
			break
		}
		at = b.r.Next
		if err := give(b.r, b.rows); err != nil {
			return err
		}
	}
	if at != want.Next {
		return fmt.Errorf("recalling %s: the table covers offsets up to %d, not %d", src, at, want.Next)
	}
	return nil
}

// without are the offsets that have none of the rows: of a record of several references, a tombstone takes away the rows of one.
func without(offsets []int64, rows []schemas.Row) []int64 {
	left := map[int64]bool{}
	for i := range rows {
		left[rows[i].Offset] = true
	}
	return slices.DeleteFunc(offsets, func(o int64) bool { return left[o] })
}

// with is spans and some ascending offsets that are in none of them.
func with(spans []schemas.Span, offsets []int64) []schemas.Span {
	var out []schemas.Span
	add := func(s schemas.Span) {
		if n := len(out); n > 0 && out[n-1].Next == s.First {
			out[n-1].Next = s.Next
			return
		}
		out = append(out, s)
	}
	for _, s := range spans {
		for len(offsets) > 0 && offsets[0] < s.First {
			add(schemas.Span{First: offsets[0], Next: offsets[0] + 1})
			offsets = offsets[1:]
		}
		add(s)
	}
	for _, o := range offsets {
		add(schemas.Span{First: o, Next: o + 1})
	}
	return out
}
