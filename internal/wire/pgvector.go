package wire

import (
	"context"
	"fmt"
	"os"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
)

func newPgvector(ctx context.Context, c *config.Postgres, m *loadedModel, o Options, told tellTries) (sinks.Sink, error) {
	cfg := pgvectorsink.NewDefaultConfig()
	cfg.DSN, cfg.Table, cfg.Dimension, cfg.Metric = string(c.URL), c.Table, c.Dimension, pgvectorsink.Metric(c.Metric)
	cfg.Deliver.BatchRows, cfg.Deliver.BatchAge, cfg.Deliver.MaxBuffered, cfg.Deliver.InFlight = c.BatchRows, c.BatchAge.D(), int64(c.MaxBuffered), c.Connections
	cfg.Deliver.Retry.Told = told
	cfg.ModelDigest, cfg.Heads = m.digest, formatHeads(m.options)
	cfg.Writer, _ = os.Hostname() // only for people; the sources' lines decide who writes
	cfg.Tasks = m.tasks()
	cfg.Look = o.Look
	cfg.Unindexed = func(err error) {
		o.Log.Warn("the index by deleted ids was not made: audits take longer without it, and the next start tries again", "table", c.Table, "err", err)
	}
	return pgvectorsink.Open(ctx, cfg)
}

// openPgvector opens a table for an audit.
func openPgvector(ctx context.Context, c *config.Postgres) (audit.Output, error) {
	q, err := pgvectorsink.OpenReader(ctx, string(c.URL), c.Table)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return audit.Postgres{Reader: q}, nil
}
