package pgvectorsink

import (
	"context"
	"fmt"

	"vecmill/schemas"
)

// Server is what a sink needs of a database. PostgreSQL is the one that [Open] takes; simulations have another.
type Server interface {
	// Next is the stored offset of a source; known is false if nothing of it is stored.
	Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error)

	// Put is one transaction: it takes the lock of the source's line and reads the stored offset, asks left what of the batch is not stored yet, stores
	// that, and moves the offset to its end. An error may mean that the transaction has landed all the same, or will.
	Put(ctx context.Context, src schemas.SourceID, left func(stored int64, known bool) (schemas.Range, []schemas.Row, error)) error

	// Ranges are what the transactions that touch span covered, in order; Rows are those that one of them wrote, as they are now, and the offsets of those that
	// a later tombstone has taken away.
	Ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error)
	Rows(ctx context.Context, r schemas.Range) (rows []schemas.Row, gone []int64, err error)
}

// OpenOn makes a sink on another server than PostgreSQL. cfg's DSN and Connections have no meaning there.
func OpenOn(cfg Config, s Server) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pgvector sink: %w", err)
	}
	return newSink(cfg, elsewhere{s}), nil
}

// elsewhere is the store on a Server.
type elsewhere struct{ s Server }

func (e elsewhere) next(ctx context.Context, src schemas.SourceID) (int64, bool, error) {
	return e.s.Next(ctx, src)
}

func (e elsewhere) put(ctx context.Context, b batch) (next int64, err error) {
	err = e.s.Put(ctx, b.r.Source, func(stored int64, known bool) (schemas.Range, []schemas.Row, error) {
		left, err := b.after(stored, known)
		next = left.r.Next
		return left.r, left.rows, err
	})
	return next, err
}

func (e elsewhere) ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error) {
	return e.s.Ranges(ctx, src, span)
}

func (e elsewhere) rows(ctx context.Context, r schemas.Range) ([]schemas.Row, []int64, error) {
	return e.s.Rows(ctx, r)
}

func (elsewhere) close() {}
