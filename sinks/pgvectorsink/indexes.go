package pgvectorsink

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// index makes the table's indexes: by source, by reference, and HNSW.
func (d *database) index(ctx context.Context, tx pgx.Tx) error {
	if err := d.makeIndex(ctx, tx, d.n.table, "_by_source", `(pipeline, topic, partition, "offset")`); err != nil {
		return err
	}
	if err := d.makeIndex(ctx, tx, d.n.table, "_by_ref", `(ref_id)`); err != nil || d.cfg.Metric == NoIndex {
		return err
	}
	for _, c := range []struct {
		column, kind string
		most         int
	}{{"vector", "vector", mostIndexedSingle}, {"vector_f16", "halfvec", mostIndexedHalf}} {
		expr, kind := pgx.Identifier{c.column}.Sanitize(), c.kind
		if d.cfg.Dimension > c.most { // indexed in half precision
			expr, kind = fmt.Sprintf("(%s::halfvec(%d))", expr, d.cfg.Dimension), "halfvec"
		}
		if err := d.makeIndex(ctx, tx, d.n.table, "_"+c.column+"_hnsw", fmt.Sprintf("USING hnsw (%s %s_%s_ops)", expr, kind, d.cfg.Metric)); err != nil {
			return err
		}
	}
	return nil
}

const byDeleted = "_ranges_by_deleted"

// indexDeleted makes the index by deleted ids, which audits alone read.
func (d *database) indexDeleted(ctx context.Context, tx pgx.Tx) error {
	return d.makeIndex(ctx, tx, d.n.ranges, byDeleted, `USING gin (deleted_ids) WHERE deleted_ids <> '{}'`)
}

// indexDeletedApart makes that index of a table that is there in a transaction of its own, which stops writers of the ranges while it is built, and nothing else. Nobody waits for who makes it.
// It takes as long as it takes: a build that is cut off has stopped them for nothing. CONCURRENTLY would leave an index that is not valid then.
func (d *database) indexDeletedApart(ctx context.Context) error {
	if there, err := d.hasIndex(ctx, d.pool, d.n.ranges, byDeleted); err != nil || there {
		return err
	}
	return d.begin(ctx, func(tx pgx.Tx) error {
		var free bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('vecmill index ' || $1, 0))`, d.cfg.Table).Scan(&free); err != nil || !free {
			return err
		}
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		return d.indexDeleted(ctx, tx)
	})
}

// makeIndex makes an index that is missing. It asks first: CREATE INDEX stops all that write to the table, also where IF NOT EXISTS finds the index.
func (d *database) makeIndex(ctx context.Context, tx pgx.Tx, table, suffix, definition string) error {
	if there, err := d.hasIndex(ctx, tx, table, suffix); err != nil || there {
		return err
	}
	name := pgx.Identifier{d.n.bare + suffix}.Sanitize()
	if _, err := tx.Exec(ctx, `CREATE INDEX IF NOT EXISTS `+name+` ON `+table+` `+definition); err != nil {
		return fmt.Errorf("making index %s of table %s: %w", name, table, err)
	}
	return nil
}

// querier is a transaction, or a pool.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// hasIndex looks in the table's schema, where its indexes are.
func (d *database) hasIndex(ctx context.Context, q querier, table, suffix string) (there bool, err error) {
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_class i JOIN pg_class t ON i.relnamespace = t.relnamespace WHERE t.oid = $1::regclass AND i.relname = $2)`, table, d.n.bare+suffix).Scan(&there)
	return there, err
}
