package pgvectorsink

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"vecmill/schemas"
)

// names are the quoted names of a table's relations, ready for SQL.
type names struct {
	table, sources, ranges, meta string
	bare                         string // the table's own name, without schema and quotes
}

func namesOf(table string) names {
	parts := strings.Split(table, ".")
	last := len(parts) - 1
	side := func(suffix string) string {
		id := append(pgx.Identifier{}, parts...)
		id[last] += suffix
		return id.Sanitize()
	}
	return names{side(""), side("_sources"), side("_ranges"), side("_meta"), parts[last]}
}

// version of the tables' layout that this build writes.
const version = "1"

// prepare makes what is missing, but for the index by deleted ids of a table that is there, and refuses what does not fit. Workers that start together do it one after the other.
func (d *database) prepare(ctx context.Context) error {
	return d.begin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('vecmill ' || $1, 0))`, d.cfg.Table); err != nil {
			return err
		}
		var table, meta *string
		if err := tx.QueryRow(ctx, `SELECT to_regclass($1)::text, to_regclass($2)::text`, d.n.table, d.n.meta).Scan(&table, &meta); err != nil {
			return err
		}
		if table != nil && meta == nil {
			return schemas.Unfitf(schemas.PlaceLayout, "table %s is there and was not made by this sink; name another, or rename it", d.cfg.Table)
		}
		if err := d.create(ctx, tx); err != nil {
			return err
		}
		if err := d.agree(ctx, tx); err != nil {
			return err
		}
		if err := d.fitColumns(ctx, tx); err != nil {
			return err
		}
		if table != nil && d.cfg.Look {
			return nil
		}
		if err := d.index(ctx, tx); err != nil || table != nil {
			return err
		}
		return d.indexDeleted(ctx, tx)
	})
}

func (d *database) create(ctx context.Context, tx pgx.Tx) error {
	var cols []string
	for _, f := range d.cfg.fields("") {
		cols = append(cols, d.declare(f))
	}
	var sql []string
	if d.cfg.vectors() {
		sql = append(sql, `CREATE EXTENSION IF NOT EXISTS vector`)
	}
	sql = append(sql,
		`CREATE TABLE IF NOT EXISTS `+d.n.table+` (`+strings.Join(cols, ", ")+`, PRIMARY KEY (row_id))`,
		`CREATE TABLE IF NOT EXISTS `+d.n.sources+` (pipeline text, topic text, partition integer, next_offset bigint, PRIMARY KEY (pipeline, topic, partition))`,
		`CREATE TABLE IF NOT EXISTS `+d.n.ranges+` (pipeline text, topic text, partition integer, first_offset bigint, next_offset bigint NOT NULL,
			dead int8multirange NOT NULL, skipped int8multirange NOT NULL, lost int8multirange NOT NULL,
			row_offsets bigint[] NOT NULL, row_ids text[] NOT NULL, writer text NOT NULL, written_at timestamptz NOT NULL DEFAULT now(),
			deleted_ids text[] NOT NULL DEFAULT '{}', tombstone_offsets bigint[] NOT NULL DEFAULT '{}', tombstone_refs text[] NOT NULL DEFAULT '{}', heads text NOT NULL DEFAULT '',
			PRIMARY KEY (pipeline, topic, partition, first_offset))`,
		`CREATE TABLE IF NOT EXISTS `+d.n.meta+` (key text PRIMARY KEY, value text NOT NULL)`,
	)
	for _, s := range sql {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", firstWords(s), err)
		}
	}
	return d.fitRanges(ctx, tx)
}

// fitRanges adds the columns that a table from before there were deletions, or heads, lacks. It asks first: ALTER TABLE stops all that read and write, also where it adds nothing.
func (d *database) fitRanges(ctx context.Context, tx pgx.Tx) error {
	var has int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND NOT attisdropped
		AND attname IN ('deleted_ids', 'tombstone_offsets', 'tombstone_refs', 'heads')`, d.n.ranges).Scan(&has); err != nil || has == 4 {
		return err
	}
	if _, err := tx.Exec(ctx, `ALTER TABLE `+d.n.ranges+` ADD COLUMN IF NOT EXISTS deleted_ids text[] NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS tombstone_offsets bigint[] NOT NULL DEFAULT '{}',
		ADD COLUMN IF NOT EXISTS tombstone_refs text[] NOT NULL DEFAULT '{}', ADD COLUMN IF NOT EXISTS heads text NOT NULL DEFAULT ''`); err != nil {
		return fmt.Errorf("adding columns to table %s: %w", d.n.ranges, err)
	}
	return nil
}

// firstWords says what a statement does without its whole text.
func firstWords(sql string) string {
	before, _, _ := strings.Cut(sql, " (")
	return before
}

func (d *database) declare(f field) string {
	s := pgx.Identifier{f.name}.Sanitize() + " " + f.sqlType
	if !f.null {
		s += " NOT NULL"
	}
	return s
}

// agree writes what the table is for when it is new, and compares it when it is not.
func (d *database) agree(ctx context.Context, tx pgx.Tx) error {
	want := map[string]string{"version": version, "model_digest": d.cfg.ModelDigest}
	if d.cfg.Metric != NoIndex {
		want["metric"] = string(d.cfg.Metric)
	}
	for key, value := range want {
		if _, err := tx.Exec(ctx, `INSERT INTO `+d.n.meta+` VALUES ($1, $2) ON CONFLICT DO NOTHING`, key, value); err != nil {
			return err
		}
		var is string
		if err := tx.QueryRow(ctx, `SELECT value FROM `+d.n.meta+` WHERE key = $1`, key).Scan(&is); err != nil {
			return err
		}
		if is == value {
			continue
		}
		switch key {
		case "model_digest":
			return schemas.Unfitf(schemas.PlaceModel, "table %s has rows of model %s, and this is model %s; vectors of two models cannot be compared: give each a table of its own", d.cfg.Table, is, value)
		case "metric":
			return schemas.Unfitf(schemas.PlaceMetric, "table %s is indexed for metric %s, not %s; drop the index and the metric's line in %s to change it", d.cfg.Table, is, value, d.n.meta)
		}
		return schemas.Unfitf(schemas.PlaceLayout, "table %s is of version %s, and this build writes version %s", d.cfg.Table, is, value)
	}
	return nil
}

// fitColumns adds the columns of tasks that are new, and refuses a column of another type.
func (d *database) fitColumns(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, d.n.table)
	if err != nil {
		return err
	}
	is := map[string]string{}
	var name, typ string
	if _, err := pgx.ForEachRow(rows, []any{&name, &typ}, func() error { is[name] = typ; return nil }); err != nil {
		return err
	}
	for _, f := range d.cfg.fields("") {
		have, ok := is[f.name]
		if have = have[strings.LastIndexByte(have, '.')+1:]; have == f.sqlType { // the extension may be in a schema off the search path
			continue
		}
		if !ok {
			if _, err := tx.Exec(ctx, `ALTER TABLE `+d.n.table+` ADD COLUMN `+d.declare(f)); err != nil {
				return fmt.Errorf("adding column %s to table %s: %w", f.name, d.cfg.Table, err)
			}
			continue
		}
		class := schemas.PlaceLayout
		if a, _, sized := strings.Cut(have, "("); sized && strings.HasPrefix(f.sqlType, a+"(") {
			class = schemas.PlaceDimension
		}
		return schemas.Unfitf(class, "column %s of table %s is %s, want %s; give this model a table of its own", f.name, d.cfg.Table, have, f.sqlType)
	}
	return nil
}
