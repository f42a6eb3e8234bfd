package pgvectorsink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"vecmill/schemas"
)

// Reader reads what sinks wrote to a table, for an audit. It writes nothing; where there is no table yet, nothing was written.
type Reader struct {
	pool *pgxpool.Pool
	n    names
}

// OpenReader connects to a table's database.
func OpenReader(ctx context.Context, dsn, table string) (*Reader, error) {
	if !tableRE.MatchString(table) {
		return nil, fmt.Errorf("%q is not the name of a table", table)
	}
	pool, err := connect(ctx, dsn, 2)
	if err != nil {
		return nil, err
	}
	return &Reader{pool, namesOf(table)}, nil
}

// Close lets the connections go.
func (q *Reader) Close() { q.pool.Close() }

// Sources are those of a pipeline, by topic and partition.
func (q *Reader) Sources(ctx context.Context, pipeline string) ([]schemas.SourceID, error) {
	rows, err := q.pool.Query(ctx, `SELECT DISTINCT topic, partition FROM `+q.n.ranges+` WHERE pipeline = $1
		UNION SELECT DISTINCT topic, partition FROM `+q.n.table+` WHERE pipeline = $1
		UNION SELECT topic, partition FROM `+q.n.sources+` WHERE pipeline = $1 AND next_offset IS NOT NULL ORDER BY 1, 2`, pipeline)
	var out []schemas.SourceID
	src := schemas.SourceID{Pipeline: pipeline}
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&src.Topic, &src.Partition}, func() error { out = append(out, src); return nil })
	}
	if noTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the sources of %s: %w", pipeline, err)
	}
	return out, nil
}

// Partitions are those of one topic, ascending, as transactions say: rows are not looked at, of which there is no index by topic.
func (q *Reader) Partitions(ctx context.Context, pipeline, topic string) (parts []int, err error) {
	rows, err := q.pool.Query(ctx, `SELECT partition FROM `+q.n.ranges+` WHERE pipeline = $1 AND topic = $2
		UNION SELECT partition FROM `+q.n.sources+` WHERE pipeline = $1 AND topic = $2 AND next_offset IS NOT NULL ORDER BY 1`, pipeline, topic)
	if err == nil {
		parts, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if noTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the partitions of %s: %w", topic, err)
	}
	return parts, nil
}

// Stored is what one transaction covers, with what of it is in the table.
type Stored struct {
	Range   schemas.Range
	Written time.Time   // zero: of rows that no transaction covers
	Rows    []StoredRow // that the transaction wrote and whose id is in the table, perhaps written again from a record of any source since, or was deleted by a tombstone of whichever wrote it last
	Missing []StoredRow // that it wrote and whose id is not in the table, and that no tombstone took
	Surplus []StoredRow // of its offsets in the table, and not written by it
}

// StoredRow is one row's identity.
type StoredRow struct {
	ID     string
	Offset int64
	Model  string // digest; "" if the row is missing or deleted
}

// Ranges calls each for every transaction of a source, ascending by first offset, and once more, with a range without length, if rows
// of the source lie in no range. Everything is read of one moment.
func (q *Reader) Ranges(ctx context.Context, src schemas.SourceID, each func(Stored) error) error {
	err := pgx.BeginTxFunc(ctx, q.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		all, err := q.ranges(ctx, tx, src)
		if err != nil {
			return fmt.Errorf("reading the ranges of %s: %w", src, err)
		}
		for _, s := range all {
			if err := q.rows(ctx, tx, &s); err != nil {
				return fmt.Errorf("reading the rows of %s from %d on: %w", src, s.Range.First, err)
			}
			if err := each(s); err != nil {
				return err
			}
		}
		stray := Stored{Range: schemas.Range{Source: src}}
		if err := q.stray(ctx, tx, &stray); err != nil {
			return fmt.Errorf("reading the rows of %s that no range covers: %w", src, err)
		}
		if len(stray.Surplus) == 0 {
			return nil
		}
		return each(stray)
	})
	if noTable(err) {
		return nil
	}
	return err
}

// ranges reads without the rows' ids, of which there may be many.
func (q *Reader) ranges(ctx context.Context, tx pgx.Tx, src schemas.SourceID) ([]Stored, error) {
	rows, err := tx.Query(ctx, `SELECT first_offset, next_offset, dead, skipped, lost, written_at FROM `+q.n.ranges+`
		WHERE pipeline = $1 AND topic = $2 AND partition = $3 ORDER BY first_offset`, src.Pipeline, src.Topic, src.Partition)
	if err != nil {
		return nil, err
	}
	var out []Stored
	var at time.Time
	var first, next int64
	var dead, skipped, lost pgtype.Multirange[pgtype.Range[pgtype.Int8]]
	_, err = pgx.ForEachRow(rows, []any{&first, &next, &dead, &skipped, &lost, &at}, func() error {
		out = append(out, Stored{
			Range:   schemas.Range{Source: src, Span: schemas.Span{First: first, Next: next}, Dead: spans(dead), Skipped: spans(skipped), Lost: spans(lost)},
			Written: at,
		})
		return nil
	})
	return out, err
}

// spans reads what the server makes of every int8multirange: lower bounds inclusive, upper ones exclusive.
func spans(m pgtype.Multirange[pgtype.Range[pgtype.Int8]]) []schemas.Span {
	var out []schemas.Span
	for _, r := range m {
		out = append(out, schemas.Span{First: r.Lower.Int64, Next: r.Upper.Int64})
	}
	return out
}

// rows looks for what is missing among what all sources deleted since.
func (q *Reader) rows(ctx context.Context, tx pgx.Tx, s *Stored) error {
	src := s.Range.Source
	rows, err := tx.Query(ctx, `WITH claim AS (SELECT unnest(row_ids) AS id, unnest(row_offsets) AS at FROM `+q.n.ranges+`
			WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND first_offset = $4)
		SELECT c.id, c.at, coalesce(t.model_digest, ''), t.row_id IS NOT NULL, true
			FROM claim c LEFT JOIN `+q.n.table+` t ON t.row_id = c.id
		UNION ALL
		SELECT t.row_id, t."offset", t.model_digest, true, false FROM `+q.n.table+` t
			WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND "offset" >= $4 AND "offset" < $5
			AND NOT EXISTS (SELECT FROM claim c WHERE c.id = t.row_id AND c.at = t."offset")
		ORDER BY 2, 1`, src.Pipeline, src.Topic, src.Partition, s.Range.First, s.Range.Next)
	if err != nil {
		return err
	}
	var wrote []StoredRow
	absent := map[string]bool{}
	var row StoredRow
	var there, claimed bool
	if _, err := pgx.ForEachRow(rows, []any{&row.ID, &row.Offset, &row.Model, &there, &claimed}, func() error {
		if !claimed {
			s.Surplus = append(s.Surplus, row)
			return nil
		}
		wrote = append(wrote, row)
		if !there {
			absent[row.ID] = true
		}
		return nil
	}); err != nil {
		return err
	}
	if err := q.taken(ctx, tx, s, absent); err != nil {
		return err
	}
	for _, row := range wrote {
		if absent[row.ID] {
			s.Missing = append(s.Missing, row)
		} else {
			s.Rows = append(s.Rows, row)
		}
	}
	return nil
}

// taken takes away from ids of a transaction's rows those that a tombstone took since. It asks for all at once: where no worker has made the index by them yet, the ranges are read whole.
func (q *Reader) taken(ctx context.Context, tx pgx.Tx, s *Stored, ids map[string]bool) error {
	if len(ids) == 0 {
		return nil
	}
	src := s.Range.Source
	rows, err := tx.Query(ctx, `SELECT id FROM `+q.n.ranges+` r, unnest(r.deleted_ids) AS id WHERE r.deleted_ids <> '{}' AND r.deleted_ids && $1::text[] AND id = ANY($1)
		AND (r.written_at >= $2 OR r.pipeline = $3 AND r.topic = $4 AND r.partition = $5 AND r.first_offset >= $6)`,
		slices.Collect(maps.Keys(ids)), s.Written, src.Pipeline, src.Topic, src.Partition, s.Range.First)
	if err != nil {
		return err
	}
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { delete(ids, id); return nil })
	return err
}

func (q *Reader) stray(ctx context.Context, tx pgx.Tx, s *Stored) error {
	src := s.Range.Source
	rows, err := tx.Query(ctx, `SELECT row_id, "offset", model_digest FROM `+q.n.table+` t WHERE pipeline = $1 AND topic = $2 AND partition = $3
		AND NOT EXISTS (SELECT FROM `+q.n.ranges+` r WHERE r.pipeline = $1 AND r.topic = $2 AND r.partition = $3
			AND r.first_offset <= t."offset" AND t."offset" < r.next_offset) ORDER BY 2, 1`, src.Pipeline, src.Topic, src.Partition)
	if err != nil {
		return err
	}
	var row StoredRow
	_, err = pgx.ForEachRow(rows, []any{&row.ID, &row.Offset, &row.Model}, func() error { s.Surplus = append(s.Surplus, row); return nil })
	return err
}
