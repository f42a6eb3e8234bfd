//go:build iceberg

package audit

import (
	"context"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/icebergcatalog"
)

// Iceberg is a table that icebergsink wrote. It implements Output; a part is what one snapshot added of a source, as the table has it now: rows that tombstones
// have taken away since are told apart from those that another tool has deleted, which are missing. What snapshots added that are expired is one part, of which only the rows can be looked at.
type Iceberg struct {
	Reader *icebergcatalog.Reader // nil: there is no table yet
}

// window is how many offsets are read at once: files that were compacted have rows of many parts.
const window = 200_000

// Close lets the catalog go.
func (i Iceberg) Close() {
	if i.Reader != nil {
		_ = i.Reader.Close() // it was only read
	}
}

// Sources implements Output.
func (i Iceberg) Sources(_ context.Context, pipeline string) ([]schemas.SourceID, error) {
	if i.Reader == nil {
		return nil, nil
	}
	return i.Reader.Sources(pipeline), nil
}

// Partitions implements Output.
func (i Iceberg) Partitions(ctx context.Context, pipeline, topic string) (parts []int, err error) {
	all, err := i.Sources(ctx, pipeline)
	for _, src := range all { // in order
		if src.Topic == topic {
			parts = append(parts, src.Partition)
		}
	}
	return parts, err
}

// Parts implements Output.
func (i Iceberg) Parts(ctx context.Context, src schemas.SourceID, each func(Part) error) error {
	if i.Reader == nil {
		return nil
	}
	parts := i.Reader.Parts(src)
	if len(parts) == 0 || parts[0].Range.First > 0 {
		end := i.Reader.Next(src)
		if len(parts) > 0 {
			end = parts[0].Range.First
		}
		if err := i.expired(ctx, src, end, each); err != nil {
			return err
		}
	}
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].Range.Next-parts[0].Range.First <= window {
			n++
		}
		if err := i.some(ctx, src, parts[:n], each); err != nil {
			return err
		}
		parts = parts[n:]
	}
	return i.behind(ctx, src, each)
}

// some gives parts that are read together.
func (i Iceberg) some(ctx context.Context, src schemas.SourceID, parts []icebergcatalog.Part, each func(Part) error) error {
	first, next := parts[0].Range.First, parts[0].Range.Next
	for _, p := range parts {
		next = max(next, p.Range.Next)
	}
	rows, err := i.rows(ctx, src, first, next, each)
	if err != nil {
		return err
	}
	for _, p := range parts {
		part := Part{Name: fmt.Sprintf("snapshot %d", p.Snapshot), Range: p.Range, Written: p.Committed, Gone: i.Reader.Gone(src, p.Range.Span)}
		for _, r := range rows {
			if r.Offset >= p.Range.First && r.Offset < p.Range.Next {
				part.Rows = append(part.Rows, r)
			}
		}
		if err := each(part); err != nil {
			return err
		}
	}
	return nil
}

// rows reads rows, and gives a part for each file that cannot be read.
func (i Iceberg) rows(ctx context.Context, src schemas.SourceID, first, next int64, each func(Part) error) ([]Row, error) {
	got, faults, err := i.Reader.Rows(ctx, src, first, next)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		if err := each(Part{Name: fmt.Sprintf("offsets %d to %d", first, next-1), Err: f, Unread: true}); err != nil {
			return nil, err
		}
	}
	rows := make([]Row, len(got))
	for k, r := range got {
		rows[k] = Row{Source: src, Offset: r.Offset, ID: r.ID, Model: r.Model}
	}
	return rows, nil
}

// expired gives what is before the first range that a snapshot tells of.
func (i Iceberg) expired(ctx context.Context, src schemas.SourceID, end int64, each func(Part) error) error {
	for first := int64(0); first < end; first += window {
		next := min(first+window, end)
		rows, err := i.rows(ctx, src, first, next, each)
		if err != nil {
			return err
		}
		p := Part{Name: fmt.Sprintf("expired snapshots of offsets %d to %d", first, next-1), Rows: rows, Untold: true}
		p.Range.Source, p.Range.Span = src, schemas.Span{First: first, Next: next}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// behind gives rows that lie at the table's end for this source or behind it: no snapshot of ours added them.
func (i Iceberg) behind(ctx context.Context, src schemas.SourceID, each func(Part) error) error {
	const end = 1 << 62
	rows, err := i.rows(ctx, src, i.Reader.Next(src), end, each)
	if err != nil || len(rows) == 0 {
		return err
	}
	return each(Part{
		Name: "rows that no snapshot covers",
		Err:  fmt.Errorf("offset %d: row %s is there, and no snapshot of this pipeline covers it%s", rows[0].Offset, rows[0].ID, more(len(rows)-1)),
	})
}
