package audit

import (
	"context"
	"errors"
	"fmt"

	"vecmill/schemas"
	"vecmill/sinks/pgvectorsink"
)

// Postgres is a table that pgvectorsink wrote. It implements Output; a part is a transaction. A row whose record came again later, under another offset, is
// one row in the table and counts for both offsets.
type Postgres struct {
	Reader *pgvectorsink.Reader
}

// Close lets the reader's connections go.
func (p Postgres) Close() { p.Reader.Close() }

// Sources implements Output.
func (p Postgres) Sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	return p.Reader.Sources(ctx, pipeline)
}

// Partitions implements Output.
func (p Postgres) Partitions(ctx context.Context, pipeline, topic string) ([]int, error) {
	return p.Reader.Partitions(ctx, pipeline, topic)
}

// Parts implements Output. What is wrong with a transaction names the first offsets.
func (p Postgres) Parts(ctx context.Context, src schemas.SourceID, each func(Part) error) error {
	return p.Reader.Ranges(ctx, src, func(s pgvectorsink.Stored) error {
		part := Part{Name: fmt.Sprintf("the transaction of offsets %d to %d", s.Range.First, s.Range.Next-1), Range: s.Range, Written: s.Written}
		if s.Range.Len() <= 0 {
			part.Name = "rows that no transaction covers"
		}
		var faults []error
		if len(s.Missing) > 0 {
			faults = append(faults, fmt.Errorf("offset %d: row %s is lost%s", s.Missing[0].Offset, s.Missing[0].ID, more(len(s.Missing)-1)))
		}
		if len(s.Surplus) > 0 {
			faults = append(faults, fmt.Errorf("offset %d: row %s is there, and no transaction wrote it for this offset%s", s.Surplus[0].Offset, s.Surplus[0].ID, more(len(s.Surplus)-1)))
		}
		part.Err = errors.Join(faults...)
		for _, r := range s.Rows {
			part.Rows = append(part.Rows, Row{Source: src, Offset: r.Offset, ID: r.ID, Model: r.Model})
			part.Deleted = part.Deleted || r.Model == ""
		}
		return each(part)
	})
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more are like it", n)
}
