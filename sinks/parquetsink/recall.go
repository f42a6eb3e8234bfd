package parquetsink

import (
	"context"
	"fmt"

	"vecmill/schemas"
)

// Recall implements sinks.Recaller: it reads the files of the chain again, one at a time.
func (s *Sink) Recall(ctx context.Context, src schemas.SourceID, want schemas.Span, give func(schemas.Range, []schemas.Row) error) error {
	var files []FileInfo
	err := s.patiently(ctx, func(ctx context.Context) (err error) {
		files, err = s.cfg.Layout.Chain(ctx, s.cfg.Store, s.cfg.Prefix, src, want.First)
		return err
	})
	if err != nil {
		return fmt.Errorf("recalling %s: %w", src, err)
	}
	at := want.First
	for _, f := range files {
		r := f.Range
		r.First, r.Next = max(r.First, want.First), min(r.Next, want.Next)
		if r.Len() <= 0 {
			continue
		}
		if r.First != at {
			break
		}
		at = r.Next
		r.Dead, r.Skipped, r.Lost = clip(r.Dead, r.First, r.Next), clip(r.Skipped, r.First, r.Next), clip(r.Lost, r.First, r.Next)
		r.Deletes = schemas.ClipDeletions(r.Deletes, r.First, r.Next)
		rows, err := s.recallRows(ctx, f.Name, r.Span)
		if err != nil {
			return fmt.Errorf("recalling %s: %w", f.Name, err)
		}
		r.Unskip(rows)
		if err := give(r, rows); err != nil {
			return err
		}
	}
	if at != want.Next {
		return fmt.Errorf("recalling %s: its files cover offsets up to %d, not %d", src, at, want.Next)
	}
	return nil
}

func (s *Sink) recallRows(ctx context.Context, name string, in schemas.Span) (rows []schemas.Row, err error) {
	err = s.patiently(ctx, func(ctx context.Context) error {
		all, err := ReadRows(ctx, s.cfg.Store, name)
		rows = rows[:0]
		for i := range all {
			if o := all[i].Offset; o >= in.First && o < in.Next {
				rows = append(rows, all[i])
			}
		}
		return err
	})
	return rows, err
}
