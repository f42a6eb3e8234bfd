package pgvectorsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/vectorindex"
)

// Server is what a sink needs of a database. PostgreSQL is the one that [Open] takes; simulations have another.
type Server interface {
	// Next is the stored offset of a source; known is false if nothing of it is stored.
	Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error)

	// Put is one transaction: it takes the lock of the source's line and reads the stored offset, asks left what of the batch is not stored yet, stores
	// that, and moves the offset to its end. An error may mean that the transaction has landed all the same, or will.
	Put(ctx context.Context, src schemas.SourceID, left func(stored int64, known bool) (schemas.Range, []schemas.Row, error)) error

	// Ranges are what the transactions that touch span covered, in order; Rows are those that one of them wrote, as they are now, and the offsets of those that
	// a later tombstone has taken away, ascending, once each, also where other rows of the offset are left.
	Ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error)
	Rows(ctx context.Context, r schemas.Range) (rows []schemas.Row, gone []int64, err error)

	Close()
}

// Sink implements sinks.Sink, sinks.Checker and sinks.Recaller on PostgreSQL. Create it with Open.
type Sink struct {
	*deliver.Sink
	cfg    Config
	server Server
}

// OpenOn makes a sink on a server, which it owns from then on. cfg's DSN has no meaning there.
func OpenOn(cfg Config, s Server) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pgvector sink: %w", err)
	}
	cfg.Deliver.Name = "table " + cfg.Table
	d, err := deliver.New(cfg.Deliver, store{cfg, s})
	if err != nil {
		return nil, fmt.Errorf("pgvector sink: %w", err)
	}
	return &Sink{d, cfg, s}, nil
}

func (s *Sink) patiently(ctx context.Context, f func(context.Context) error) error {
	tries, err := retry.Do(ctx, s.cfg.Deliver.Retry, permanent, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.Deliver.Timeout)
		defer cancel()
		return f(ctx)
	})
	if err != nil && tries > 1 {
		return fmt.Errorf("after %d tries: %w", tries, err)
	}
	return err
}

// store puts batches to a server. It implements deliver.Progress and sinks.Checker.
type store struct {
	cfg    Config
	server Server
}

// Next implements deliver.Progress.
func (t store) Next(ctx context.Context, src schemas.SourceID) (int64, bool, error) {
	next, known, err := t.server.Next(ctx, src)
	return next, known, classify(err)
}

// Put runs a transaction for each part, of which there is one (deliver.Config.OneSource).
func (t store) Put(ctx context.Context, b deliver.Batch) error {
	for i := range b.Parts {
		p := batchOf(&b.Parts[i])
		if err := t.server.Put(ctx, p.r.Source, func(stored int64, known bool) (schemas.Range, []schemas.Row, error) {
			left, err := p.after(stored, known)
			return left.r, left.rows, err
		}); err != nil {
			return classify(err)
		}
	}
	return nil
}

// classify tells deliver what an error means.
func classify(err error) error {
	switch {
	case rejected(err):
		return deliver.Refused(fmt.Errorf("the server refuses its rows: %w", err))
	case permanent(err) || errors.Is(err, errGap):
		return deliver.Final(err)
	}
	return err
}

// Close implements deliver.Store.
func (t store) Close() error {
	t.server.Close()
	return nil
}

// Check implements sinks.Checker: it says why the table does not take a row.
func (t store) Check(r *schemas.Row) error {
	c := &t.cfg
	if !slices.Contains(c.Tasks, r.Task) {
		return fmt.Errorf("a row of task %q, and table %s has columns for %v", r.Task, c.Table, c.Tasks)
	}
	return vectorindex.Check(r, "table "+c.Table, c.ModelDigest, c.Dimension)
}
