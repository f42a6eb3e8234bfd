package pgvectorsink

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vecmill/schemas"
)

// Works calls each for every row of a pipeline with what it was computed from and by, and the heads' options of its transaction; "" where they are not known. Of its
// attributes l has those that tell what was beside a text; ContentHash it has of inline data. It is valid during the call. A
// table that is not there, or that was last written before transactions told the options, has nothing.
func (q *Reader) Works(ctx context.Context, pipeline string, each func(l *schemas.Lineage, heads string) error) error {
	told, err := q.heads(ctx, pipeline)
	if err == nil && len(told) > 0 {
		err = q.works(ctx, pipeline, told, each)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == undefinedTable || pg.Code == undefinedColumn) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what %s has computed: %w", pipeline, err)
	}
	return nil
}

// undefinedColumn is the server's code.
const undefinedColumn = "42703"

// Heads are the options of the heads in the transaction of an offset; "" where they are not known.
func (q *Reader) Heads(ctx context.Context, src schemas.SourceID, offset int64) (heads string, err error) {
	err = q.pool.QueryRow(ctx, `SELECT heads FROM `+q.n.ranges+` WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND first_offset <= $4 AND next_offset > $4`,
		src.Pipeline, src.Topic, src.Partition, offset).Scan(&heads)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == undefinedColumn || errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the heads of %s: %w", src.Pipeline, err)
	}
	return heads, nil
}

// told is a transaction with the options of its heads.
type told struct {
	schemas.Span
	heads string
}

// heads are the transactions of each source, ascending. They are some for thousands of rows each, and are looked up here: the server would look for each row's.
func (q *Reader) heads(ctx context.Context, pipeline string) (map[schemas.SourceID][]told, error) {
	rows, err := q.pool.Query(ctx, `SELECT topic, partition, first_offset, next_offset, heads FROM `+q.n.ranges+` WHERE pipeline = $1 ORDER BY first_offset`, pipeline)
	if err != nil {
		return nil, err
	}
	out := map[schemas.SourceID][]told{}
	src := schemas.SourceID{Pipeline: pipeline}
	var t told
	_, err = pgx.ForEachRow(rows, []any{&src.Topic, &src.Partition, &t.First, &t.Next, &t.heads}, func() error {
		out[src] = append(out[src], t)
		return nil
	})
	return out, err
}

func (q *Reader) works(ctx context.Context, pipeline string, all map[schemas.SourceID][]told, each func(l *schemas.Lineage, heads string) error) error {
	rows, err := q.pool.Query(ctx, `SELECT uri, coalesce(etag, ''), ref_id, CASE uri WHEN $4 THEN content_hash ELSE '' END, model_digest, preprocess_digest, head, topic, partition, "offset", coalesce(attributes->>$2, ''), coalesce(attributes->>$3, '')
		FROM `+q.n.table+` WHERE pipeline = $1`, pipeline, schemas.CompanionNote, schemas.CompanionHashNote, schemas.InlinePlace)
	if err != nil {
		return err
	}
	var l schemas.Lineage
	var beside, hash string
	_, err = pgx.ForEachRow(rows, []any{&l.URI, &l.ETag, &l.RefID, &l.ContentHash, &l.ModelDigest, &l.PreprocessDigest, &l.Head, &l.Topic, &l.Partition, &l.Offset, &beside, &hash}, func() error {
		if l.Attributes = nil; beside != "" {
			l.Attributes = map[string]string{schemas.CompanionNote: beside, schemas.CompanionHashNote: hash}
		}
		of := all[schemas.SourceID{Pipeline: pipeline, Topic: l.Topic, Partition: l.Partition}]
		at := sort.Search(len(of), func(i int) bool { return of[i].Next > l.Offset })
		heads := ""
		if at < len(of) && of[at].First <= l.Offset {
			heads = of[at].heads
		}
		return each(&l, heads)
	})
	return err
}
