package pgvectorsink

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"vecmill/schemas"
)

// undefinedTable is the server's code.
const undefinedTable = "42P01"

// noTable says whether a statement failed because nobody has made the table yet.
func noTable(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == undefinedTable
}

// Latest is the lineage of the latest row of each reference of a pipeline, by id behind after, n at most: what it was fetched from, and what computed it. In one source the latest is told by its offset, whenever it was
// computed; of those of several sources, by its time.
func (q *Reader) Latest(ctx context.Context, pipeline, after string, n int) ([]schemas.Lineage, error) {
	rows, err := q.pool.Query(ctx, `SELECT l.* FROM (SELECT DISTINCT ref_id FROM `+q.n.table+` WHERE pipeline = $1 AND ref_id > $2 ORDER BY ref_id LIMIT $3) ids
		CROSS JOIN LATERAL (SELECT ref_id, uri, coalesce(etag, ''), coalesce(version, ''), modality, model_digest, preprocess_digest, topic, partition, "offset", attributes
			FROM (SELECT DISTINCT ON (topic, partition) * FROM `+q.n.table+` WHERE pipeline = $1 AND ref_id = ids.ref_id
				ORDER BY topic, partition, "offset" DESC, created_at DESC) of_source
			ORDER BY created_at DESC LIMIT 1) l ORDER BY l.ref_id`, pipeline, after, n) // by ids first: one sort of all would be made anew for each page
	if err != nil {
		return nil, fmt.Errorf("reading the references of %s: %w", pipeline, err)
	}
	var out []schemas.Lineage
	var l schemas.Lineage
	_, err = pgx.ForEachRow(rows, []any{&l.RefID, &l.URI, &l.ETag, &l.Version, &l.Modality, &l.ModelDigest, &l.PreprocessDigest, &l.Topic, &l.Partition, &l.Offset, &l.Attributes}, func() error {
		out = append(out, l)
		l.Attributes = nil // the map is the row's
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the references of %s: %w", pipeline, err)
	}
	return out, nil
}

// Next is the first offset of a source that is not in the table; known is false if the table has nothing of it.
func (q *Reader) Next(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	return (&database{pool: q.pool, n: q.n}).Next(ctx, src)
}

// Begin is the first offset of a source that was not skipped over when the table's part of it began.
func (q *Reader) Begin(ctx context.Context, src schemas.SourceID) (first int64, known bool, err error) {
	var skipped pgtype.Multirange[pgtype.Range[pgtype.Int8]]
	err = q.pool.QueryRow(ctx, `SELECT first_offset, skipped FROM `+q.n.ranges+` WHERE pipeline = $1 AND topic = $2 AND partition = $3 ORDER BY first_offset LIMIT 1`,
		src.Pipeline, src.Topic, src.Partition).Scan(&first, &skipped)
	if noTable(err) || errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil // nobody has written to it yet
	}
	if err != nil {
		return 0, false, fmt.Errorf("reading where %s begins: %w", src, err)
	}
	if s := spans(skipped); len(s) > 0 && s[0].First == first {
		first = s[0].Next
	}
	return first, true, nil
}

// Came calls each for every row of a source whose offset lies in a span, with what it came from and what made it. l is valid during the call; the error of each ends it.
func (q *Reader) Came(ctx context.Context, src schemas.SourceID, in schemas.Span, each func(l *schemas.Lineage) error) error {
	rows, err := q.pool.Query(ctx, `SELECT ref_id, uri, coalesce(etag, ''), content_hash, model_digest, preprocess_digest, "offset", attributes FROM `+q.n.table+`
		WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND "offset" >= $4 AND "offset" < $5`, src.Pipeline, src.Topic, src.Partition, in.First, in.Next)
	if err == nil {
		l := schemas.Lineage{Topic: src.Topic, Partition: src.Partition}
		_, err = pgx.ForEachRow(rows, []any{&l.RefID, &l.URI, &l.ETag, &l.ContentHash, &l.ModelDigest, &l.PreprocessDigest, &l.Offset, &l.Attributes}, func() error {
			err := each(&l)
			l.Attributes = nil // the map is the row's
			return err
		})
	}
	if noTable(err) {
		return nil
	}
	return err
}

// Covered are the transactions of a source that reach into a span, by ascending offset, with the fate of each offset and with deletions.
func (q *Reader) Covered(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Range, error) {
	all, err := (&database{pool: q.pool, n: q.n}).Ranges(ctx, src, in)
	if noTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what %s was given: %w", src, err)
	}
	return all, nil
}
