package icebergsink

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Recall implements sinks.Recaller: it reads what the snapshots covered, oldest first, and the rows of one of them at a time. The table may have been worked on by
// others: where the snapshots are expired, or rows are not what they were, it fails with sinks.ErrNotRecalled.
func (s *Sink) Recall(ctx context.Context, src schemas.SourceID, want schemas.Span, give func(schemas.Range, []schemas.Row) error) error {
	var v View
	err := s.patiently(ctx, func(ctx context.Context) (err error) {
		v, err = s.cfg.Table.Load(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("recalling %s: %w", src, err)
	}
	all, err := v.covering(src, want)
	gone := map[int64]bool{}
	if err == nil {
		gone, err = v.gone(src, want)
	}
	if err != nil {
		return fmt.Errorf("recalling %s: %w", src, err)
	}
	for _, r := range all {
		if len(r.Deletes) > 0 && r.Deletes[0].RefID == "" {
			return fmt.Errorf("recalling offsets %d to %d of %s: %w: the snapshot does not say what its tombstones named", r.First, r.Next-1, src, sinks.ErrNotRecalled)
		}
		var rows []schemas.Row
		err := s.patiently(ctx, func(ctx context.Context) (err error) {
			rows, err = s.cfg.Table.Rows(ctx, v, src, r.Span)
			return err
		})
		if err == nil {
			slices.SortStableFunc(rows, func(a, b schemas.Row) int { return cmp.Compare(a.Offset, b.Offset) }) // a table's partitions are files of their own
			r.Unskip(rows)
			r, err = complete(r, rows, gone)
		}
		if err != nil {
			return fmt.Errorf("recalling offsets %d to %d of %s: %w", r.First, r.Next-1, src, err)
		}
		if err := give(r, rows); err != nil {
			return err
		}
	}
	return nil
}

// covering are the ranges of a source that make up a span. A range whose tombstones have no names has one without.
func (v *View) covering(src schemas.SourceID, want schemas.Span) (all []schemas.Range, err error) {
	for i := range v.Ancestors {
		ranges, err := v.Ancestors[i].Ranges()
		if err != nil {
			return nil, err
		}
		nameless, err := v.Ancestors[i].Nameless()
		if err != nil {
			return nil, err
		}
		for _, r := range ranges {
			c := r.Cut(want.First, want.Next)
			if r.Source != src || c.Len() == 0 {
				continue
			}
			for _, t := range nameless[src] {
				if at := max(t.First, c.First); at < min(t.Next, c.Next) {
					c.Deletes = []schemas.Deletion{{Offset: at}}
				}
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b schemas.Range) int { return cmp.Compare(a.First, b.First) })
	at := want.First
	for _, r := range all {
		if r.First != at {
			break
		}
		at = r.Next
	}
	if at != want.Next {
		return nil, fmt.Errorf("%w: the snapshots that are left tell of offsets up to %d, not %d", sinks.ErrNotRecalled, at, want.Next)
	}
	return all, nil
}

// gone are the offsets in a span with rows that tombstones have taken away.
func (v *View) gone(src schemas.SourceID, in schemas.Span) (map[int64]bool, error) {
	all := map[int64]bool{}
	for i := range v.Ancestors {
		gone, err := v.Ancestors[i].Gone()
		if err != nil {
			return nil, err
		}
		for _, s := range gone[src] {
			for o := max(s.First, in.First); o < min(s.Next, in.Next); o++ {
				all[o] = true
			}
		}
	}
	return all, nil
}

// complete says whether every offset of a range that has another fate than rows has none, and every other one has some, or had some that are gone: that one is
// skipped.
func complete(r schemas.Range, rows []schemas.Row, gone map[int64]bool) (schemas.Range, error) {
	at := map[int64]bool{}
	for i := range rows {
		at[rows[i].Offset] = true
	}
	with := r.Len()
	for _, spans := range [][]schemas.Span{r.Dead, r.Skipped, r.Lost} {
		for _, s := range spans {
			with -= s.Next - s.First
		}
	}
	var skipped []int64
	for o := range gone {
		if o >= r.First && o < r.Next && !at[o] {
			skipped = append(skipped, o)
		}
	}
	if int64(len(at)+len(skipped)) != with {
		return r, fmt.Errorf("%w: rows of %d offsets are there or deleted by tombstones, %d were written: somebody has changed the table", sinks.ErrNotRecalled, len(at)+len(skipped), with)
	}
	r.Skipped = merged(r.Skipped, offsetsOf(map[schemas.SourceID][]int64{r.Source: skipped})[r.Source])
	return r, nil
}
