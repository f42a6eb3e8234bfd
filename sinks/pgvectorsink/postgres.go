package pgvectorsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"vecmill/internal/retry"
	"vecmill/schemas"
)

// database is PostgreSQL. It implements Server.
type database struct {
	cfg  Config
	n    names
	pool *pgxpool.Pool
}

// Open connects, makes the tables and indexes that are missing, and refuses a table of another model, dimension or metric.
func Open(ctx context.Context, cfg Config) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pgvector sink: %w", err)
	}
	pool, err := connect(ctx, cfg.DSN, cfg.Deliver.InFlight)
	if err != nil {
		return nil, fmt.Errorf("pgvector sink: %w", err)
	}
	d := &database{cfg, namesOf(cfg.Table), pool}
	// Whoever starts a worker waits: a few tries, and a sentence.
	if _, err := retry.Do(ctx, retry.Default(), permanent, d.prepare); err != nil {
		pool.Close()
		return nil, fmt.Errorf("pgvector sink: preparing table %s: %w", cfg.Table, schemas.Unreachable(err, permanent))
	}
	if !cfg.Look {
		if err := d.indexDeletedApart(ctx); err != nil && cfg.Unindexed != nil { // the next start tries again
			cfg.Unindexed(err)
		}
	}
	return OpenOn(cfg, d)
}

// connect opens a pool. What a lost client leaves behind on the server gives its locks back by itself.
func connect(ctx context.Context, dsn string, connections int) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the address of the database: %w", err) // pgx leaves passwords out
	}
	c.MaxConns = int32(connections)
	for name, value := range map[string]string{
		"application_name": "vecmill", "synchronous_commit": "on", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s",
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		if _, told := c.ConnConfig.RuntimeParams[name]; !told {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return pool, nil
}

// Close implements Server.
func (d *database) Close() { d.pool.Close() }

// Next implements Server.
func (d *database) Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	err = d.pool.QueryRow(ctx, `SELECT next_offset FROM `+d.n.sources+` WHERE pipeline = $1 AND topic = $2 AND partition = $3`,
		src.Pipeline, src.Topic, src.Partition).Scan(&next)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return next, err == nil, err
}

// Put implements Server. Whatever became of an earlier try is seen under the lock of the source's line.
func (d *database) Put(ctx context.Context, src schemas.SourceID, left func(int64, bool) (schemas.Range, []schemas.Row, error)) error {
	return d.begin(ctx, func(tx pgx.Tx) error {
		stored, known, err := d.lock(ctx, tx, src)
		if err != nil {
			return err
		}
		r, rows, err := left(stored, known)
		if err != nil || r.Len() == 0 {
			return err // or stored already, by an earlier try or by another worker
		}
		if err := d.upsert(ctx, tx, src, rows); err != nil {
			return err
		}
		gone, err := d.remove(ctx, tx, r) // after the upsert: the batch's own rows may be among them
		if err != nil {
			return err
		}
		return d.record(ctx, tx, r, rows, gone)
	})
}

// begin runs a transaction. Where the server takes no writes, the name of the database may lead to another primary by now, which a new connection finds.
func (d *database) begin(ctx context.Context, f func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, d.pool, f)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == readOnly {
		d.pool.Reset()
	}
	return err
}

// lock makes the source's line if there is none, takes its lock and reads it. A line without an offset is a source that is not known.
func (d *database) lock(ctx context.Context, tx pgx.Tx, src schemas.SourceID) (next int64, known bool, err error) {
	args := []any{src.Pipeline, src.Topic, src.Partition}
	if _, err := tx.Exec(ctx, `INSERT INTO `+d.n.sources+` VALUES ($1, $2, $3, NULL) ON CONFLICT DO NOTHING`, args...); err != nil {
		return 0, false, fmt.Errorf("opening source %s: %w", src, err)
	}
	var stored *int64
	if err := tx.QueryRow(ctx, `SELECT next_offset FROM `+d.n.sources+` WHERE pipeline = $1 AND topic = $2 AND partition = $3 FOR UPDATE`, args...).Scan(&stored); err != nil {
		return 0, false, fmt.Errorf("locking source %s: %w", src, err)
	}
	if stored == nil {
		return 0, false, nil
	}
	return *stored, true, nil
}

// upsert brings rows into the table. Of rows with one id the last offset stays.
func (d *database) upsert(ctx context.Context, tx pgx.Tx, src schemas.SourceID, rows []schemas.Row) error {
	if len(rows) == 0 {
		return nil
	}
	fields := d.cfg.fields(src.Pipeline)
	data, err := copyRows(fields, rows)
	if err != nil {
		return err
	}
	cols, sets := make([]string, len(fields)), make([]string, len(fields))
	for i, f := range fields {
		cols[i] = pgx.Identifier{f.name}.Sanitize()
		sets[i] = cols[i] + " = EXCLUDED." + cols[i]
	}
	all := strings.Join(cols, ", ")
	if _, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE vecmill_rows ON COMMIT DROP AS SELECT `+all+` FROM `+d.n.table+` WITH NO DATA`); err != nil {
		return fmt.Errorf("making a temporary table: %w", err)
	}
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(data), `COPY vecmill_rows (`+all+`) FROM STDIN (FORMAT binary)`); err != nil {
		return fmt.Errorf("copying %d rows: %w", len(rows), err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO `+d.n.table+` (`+all+`) SELECT DISTINCT ON (row_id) `+all+` FROM vecmill_rows ORDER BY row_id, "offset" DESC
		ON CONFLICT (row_id) DO UPDATE SET `+strings.Join(sets, ", ")); err != nil {
		return fmt.Errorf("writing %d rows to table %s: %w", len(rows), d.cfg.Table, err)
	}
	return nil
}

// remove takes away what earlier offsets of the source gave of references that are deleted, and says which rows these were.
func (d *database) remove(ctx context.Context, tx pgx.Tx, r schemas.Range) ([]string, error) {
	gone := []string{}
	if len(r.Deletes) == 0 {
		return gone, nil
	}
	at, refs := tombstones(r)
	rows, err := tx.Query(ctx, `DELETE FROM `+d.n.table+` t USING (SELECT unnest($4::text[]) AS ref_id, unnest($5::bigint[]) AS at) x
		WHERE t.pipeline = $1 AND t.topic = $2 AND t.partition = $3 AND t.ref_id = x.ref_id AND t."offset" < x.at RETURNING t.row_id`,
		r.Source.Pipeline, r.Source.Topic, r.Source.Partition, refs, at)
	if err == nil {
		gone, err = pgx.AppendRows(gone, rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("deleting rows of %d references from table %s: %w", len(refs), d.cfg.Table, err)
	}
	return gone, nil
}

// tombstones are a range's deletions as two columns.
func tombstones(r schemas.Range) (at []int64, refs []string) {
	at, refs = make([]int64, len(r.Deletes)), make([]string, len(r.Deletes))
	for i, x := range r.Deletes {
		at[i], refs[i] = x.Offset, clean(x.RefID)
	}
	return at, refs
}

// record writes what the transaction covers and took away, and moves the source's offset. When is by the clock, not by the transaction's beginning: a transaction that takes away what another one has written is recorded behind it.
func (d *database) record(ctx context.Context, tx pgx.Tx, r schemas.Range, rows []schemas.Row, gone []string) error {
	offsets, ids := make([]int64, len(rows)), make([]string, len(rows))
	for i := range rows {
		offsets[i], ids[i] = rows[i].Offset, rows[i].RowID
	}
	at, refs := tombstones(r)
	if _, err := tx.Exec(ctx, `INSERT INTO `+d.n.ranges+` (pipeline, topic, partition, first_offset, next_offset, dead, skipped, lost, row_offsets, row_ids, writer, deleted_ids,
			tombstone_offsets, tombstone_refs, heads, written_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, clock_timestamp())`, r.Source.Pipeline, r.Source.Topic, r.Source.Partition, r.First, r.Next,
		multirange(r.Dead), multirange(r.Skipped), multirange(r.Lost), offsets, ids, d.cfg.Writer, gone, at, refs, d.cfg.Heads); err != nil {
		return fmt.Errorf("recording offsets %d to %d of %s: %w", r.First, r.Next-1, r.Source, err)
	}
	if _, err := tx.Exec(ctx, `UPDATE `+d.n.sources+` SET next_offset = $4 WHERE pipeline = $1 AND topic = $2 AND partition = $3`,
		r.Source.Pipeline, r.Source.Topic, r.Source.Partition, r.Next); err != nil {
		return fmt.Errorf("moving the offset of %s: %w", r.Source, err)
	}
	return nil
}

func multirange(spans []schemas.Span) pgtype.Multirange[pgtype.Range[pgtype.Int8]] {
	out := pgtype.Multirange[pgtype.Range[pgtype.Int8]]{}
	for _, s := range spans {
		out = append(out, pgtype.Range[pgtype.Int8]{
			Lower: pgtype.Int8{Int64: s.First, Valid: true}, LowerType: pgtype.Inclusive,
			Upper: pgtype.Int8{Int64: s.Next, Valid: true}, UpperType: pgtype.Exclusive, Valid: true,
		})
	}
	return out
}

// rejected says that the server did not like the data: data exceptions, violated constraints, limits of a value's size.
func rejected(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23") || strings.HasPrefix(pg.Code, "54"))
}

// readOnly is the code of a transaction that may not write.
const readOnly = "25006"

// permanent says that an error will not go away by itself. The server's own are, but for those of a server that is busy, full, starting or stopping, or takes no writes any more as another has become the primary.
func permanent(err error) bool {
	if schemas.Unfit(err) {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	for _, class := range []string{"08", readOnly, "25P03", "40", "53", "55P03", "57", "58"} {
		if strings.HasPrefix(pg.Code, class) {
			return false
		}
	}
	return true
}
