//go:build iceberg

package wire

import (
	"context"
	"errors"
	"fmt"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/icebergcatalog"
)

// pastIceberg implements past.
type pastIceberg struct {
	s *stores
	c *config.Iceberg
	r *icebergcatalog.Reader // nil: there is no table yet
}

func openPastIceberg(ctx context.Context, s *stores, c *config.Iceberg) (past, error) {
	p := &pastIceberg{s: s, c: c}
	return p, p.look(ctx)
}

func (p *pastIceberg) close() {
	if p.r != nil {
		_ = p.r.Close() // only read
	}
}

func (p *pastIceberg) look(ctx context.Context) (err error) {
	if p.r != nil {
		return p.r.Look(ctx)
	}
	p.r, err = p.s.icebergReader(ctx, p.c)
	return err
}

func (p *pastIceberg) sources(_ context.Context, pipeline string) ([]schemas.SourceID, error) {
	if p.r == nil {
		return nil, nil
	}
	return p.r.Sources(pipeline), nil
}

func (p *pastIceberg) span(_ context.Context, src schemas.SourceID) (s schemas.Span, known bool, err error) {
	if p.r == nil {
		return s, false, nil
	}
	s.First, known, err = p.r.Begin(src)
	if errors.Is(err, icebergcatalog.ErrExpired) {
		s.First, err = -1, nil
	}
	s.Next = p.r.Next(src)
	return s, known, err
}

func (p *pastIceberg) ranges(_ context.Context, src schemas.SourceID, in schemas.Span) (all []schemas.Range, err error) {
	if p.r == nil {
		return nil, nil
	}
	for _, part := range p.r.Parts(src) {
		if part.Range.First < in.Next && part.Range.Next > in.First {
			all = append(all, part.Range)
		}
	}
	return all, nil
}

func (p *pastIceberg) nameless(src schemas.SourceID) []schemas.Span {
	if p.r == nil {
		return nil
	}
	return p.r.Nameless(src)
}

func (p *pastIceberg) madeBy(ctx context.Context, pipeline string) (by maker, err error) {
	if p.r != nil {
		by.model, by.preprocess, by.heads, err = p.r.Digests(ctx, pipeline)
	}
	return by, err
}

func (p *pastIceberg) heads(_ context.Context, src schemas.SourceID, offset int64) (string, error) {
	if p.r == nil {
		return "", nil
	}
	return p.r.Heads(src, offset), nil
}

func (p *pastIceberg) rows(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	if p.r == nil {
		return nil
	}
	return p.r.Came(ctx, src, in, each)
}

func (p *pastIceberg) references(pipeline string, bounds func(ctx context.Context) ([]backfill.Bound, error), _ int) backfill.Source {
	return &backfill.PastSnapshot{
		Bounds: func(ctx context.Context) ([]backfill.Bound, error) {
			all, err := bounds(ctx)
			if err == nil && p.r != nil && p.c.Tombstones == "keep" && p.r.Tombstones(pipeline) {
				err = fmt.Errorf("table %s keeps rows whose references tombstones have named (tombstones: keep), or its snapshots do not tell any more that there are none: rows do not say which these are", p.c.Table)
			}
			return all, err
		},
		Open: func(ctx context.Context, snapshot *int64) (backfill.PastRows, error) {
			at, err := p.s.icebergAt(&p.c.Catalog, p.c.Table)
			if err != nil {
				return nil, err
			}
			past, err := icebergcatalog.OpenPast(ctx, at, snapshot, pipeline)
			switch {
			case errors.Is(err, icebergcatalog.ErrNoTable):
				return noRows{}, nil
			case errors.Is(err, icebergcatalog.ErrExpired):
				err = errExpired(err)
			}
			return past, err
		},
	}
}

// noRows is a table that is not there. It implements backfill.PastRows.
type noRows struct{}

// Snapshot implements backfill.PastRows.
func (noRows) Snapshot() *int64 { return nil }

// Rows implements backfill.PastRows.
func (noRows) Rows(context.Context, bool, func(*schemas.Lineage) error) error { return nil }

// errExpired says what to do where the snapshot of a plan that was begun is gone.
func errExpired(err error) error {
	return fmt.Errorf("%w, from which the plan was begun: plan it at another place", err)
}
