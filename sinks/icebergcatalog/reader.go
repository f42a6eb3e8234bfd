package icebergcatalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go/table"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

// Reader reads a table for an audit, as it was when the reader looked at it last.
type Reader struct {
	t        *Table
	tbl      *table.Table
	progress icebergsink.Progress
	eras     icebergsink.Eras
	ranges   map[schemas.SourceID][]Part
	named    map[schemas.SourceID]bool           // tombstones of it are told
	gone     map[schemas.SourceID][]schemas.Span // in the order of the snapshots
	nameless map[schemas.SourceID][]schemas.Span // likewise
}

// Part is a range that one snapshot added.
type Part struct {
	Snapshot  int64
	Committed time.Time
	Range     schemas.Range
}

// Row is what a reader says of a row.
type Row struct {
	Offset    int64
	ID, Model string
}

// OpenReader opens a table and reads its history. Of the configuration it needs the catalog, the table and the files.
func OpenReader(ctx context.Context, c Config) (*Reader, error) {
	t, err := connected(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &Reader{t: t}
	if err := r.Look(ctx); err != nil {
		_ = t.Close() // the first error is the one to tell
		return nil, err
	}
	return r, nil
}

// Look reads the table's history anew.
func (r *Reader) Look(ctx context.Context) error {
	if err := r.t.try(ctx, func(ctx context.Context) (err error) {
		r.tbl, err = r.t.load(ctx)
		return err
	}); err != nil {
		return err
	}
	r.ranges, r.named, r.gone = map[schemas.SourceID][]Part{}, map[schemas.SourceID]bool{}, map[schemas.SourceID][]schemas.Span{}
	r.nameless = map[schemas.SourceID][]schemas.Span{}
	return r.history()
}

// Close lets the catalog go.
func (r *Reader) Close() error { return r.t.Close() }

// history collects what the snapshots of the table's branch say.
func (r *Reader) history() error {
	var v icebergsink.View
	v.Ancestors, v.Truncated = ancestors(r.tbl.Metadata())
	var err error
	if r.progress, err = v.Progress(); err != nil {
		return fmt.Errorf("table %s: %w", r.t.cfg.Table, err)
	}
	if r.eras, err = v.Eras(); err != nil {
		return fmt.Errorf("table %s: %w", r.t.cfg.Table, err)
	}
	for _, s := range v.Ancestors {
		all, err := s.Ranges()
		if err != nil {
			return fmt.Errorf("table %s: %w", r.t.cfg.Table, err)
		}
		for _, rg := range all {
			r.ranges[rg.Source] = append(r.ranges[rg.Source], Part{s.ID, time.UnixMilli(r.tbl.SnapshotByID(s.ID).TimestampMs), rg})
			r.named[rg.Source] = r.named[rg.Source] || len(rg.Deletes) > 0
		}
		many, err := s.Nameless()
		if err != nil {
			return fmt.Errorf("table %s: %w", r.t.cfg.Table, err)
		}
		for src, spans := range many {
			r.named[src] = true
			r.nameless[src] = append(r.nameless[src], spans...)
		}
		gone, err := s.Gone()
		if err != nil {
			return fmt.Errorf("table %s: %w", r.t.cfg.Table, err)
		}
		for src, spans := range gone {
			r.gone[src] = append(r.gone[src], spans...)
		}
	}
	for _, parts := range r.ranges {
		slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(a.Range.First, b.Range.First) })
	}
	return nil
}

// Sources are the sources of a pipeline that the table has.
func (r *Reader) Sources(pipeline string) (all []schemas.SourceID) {
	for src := range r.progress {
		if src.Pipeline == pipeline {
			all = append(all, src)
		}
	}
	slices.SortFunc(all, func(a, b schemas.SourceID) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return all
}

// Next is the first offset of a source that is not in the table.
func (r *Reader) Next(src schemas.SourceID) int64 { return r.progress[src] }

// Parts are the ranges of a source, ascending, as far as the snapshots that added them are not expired.
func (r *Reader) Parts(src schemas.SourceID) []Part { return r.ranges[src] }

// Nameless are the offsets of a source's tombstones that ranges do not have, because a snapshot had too many of them, as far as it is not expired.
func (r *Reader) Nameless(src schemas.SourceID) []schemas.Span { return r.nameless[src] }

// Gone are the offsets of a source in a span with rows that tombstones have taken away, as far as the snapshots that did are not expired.
func (r *Reader) Gone(src schemas.SourceID, in schemas.Span) (offsets []int64) {
	for _, s := range r.gone[src] {
		for o := max(s.First, in.First); o < min(s.Next, in.Next); o++ {
			offsets = append(offsets, o)
		}
	}
	slices.Sort(offsets)
	return slices.Compact(offsets) // a record of several references may lose its rows one by one
}

// Rows lists the rows of a source from first on and before next, in no order. A file that cannot be read is among the faults, and its rows are not there.
func (r *Reader) Rows(ctx context.Context, src schemas.SourceID, first, next int64) (rows []Row, faults []error, err error) {
	scan := r.tbl.Scan(
		table.WithRowFilter(of(src, first, next)),
		table.WithSelectedFields("offset", "row_id", "model_digest"),
	)
	ctx = withFiles(ctx, r.t.cfg.Files)
	tasks, err := scan.PlanFiles(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for files of table %s: %w", r.t.cfg.Table, err)
	}
	for _, task := range tasks { // one by one: the others say what they have, whatever becomes of one
		some, err := readTask(ctx, scan, proper(task))
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s cannot be read: %w", task.File.FilePath(), err))
			continue
		}
		rows = append(rows, some...)
	}
	return rows, faults, nil
}

func readTask(ctx context.Context, scan *table.Scan, task table.FileScanTask) (rows []Row, err error) {
	_, records, err := scan.ReadTasks(ctx, []table.FileScanTask{task})
	if err != nil {
		return nil, err
	}
	for rec, err := range records {
		if err != nil {
			return nil, err
		}
		some, err := rowsOf(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

func rowsOf(rec arrow.RecordBatch) ([]Row, error) {
	column := func(name string) arrow.Array {
		if at := rec.Schema().FieldIndices(name); len(at) == 1 {
			return rec.Column(at[0])
		}
		return nil
	}
	offsets, ok1 := column("offset").(*array.Int64)
	ids, ok2 := column("row_id").(interface{ Value(int) string })
	models, ok3 := column("model_digest").(interface{ Value(int) string })
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("columns offset, row_id and model_digest are not as this build writes them: %s", rec.Schema())
	}
	rows := make([]Row, rec.NumRows())
	for i := range rows {
		rows[i] = Row{offsets.Value(i), ids.Value(i), models.Value(i)}
	}
	return rows, nil
}
