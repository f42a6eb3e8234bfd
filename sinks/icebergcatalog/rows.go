package icebergcatalog

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/icebergsink"
)

// of is the filter of a source's offsets from first on and before next.
func of(src schemas.SourceID, first, next int64) iceberg.BooleanExpression {
	is := func(column, value string) iceberg.BooleanExpression {
		return iceberg.EqualTo(iceberg.Reference(column), value)
	}
	return iceberg.NewAnd(
		is(icebergsink.PipelineColumn, src.Pipeline), is("topic", src.Topic), iceberg.EqualTo(iceberg.Reference("partition"), int32(src.Partition)),
		iceberg.GreaterThanEqual(iceberg.Reference("offset"), first), iceberg.LessThan(iceberg.Reference("offset"), next))
}

// Rows implements icebergsink.Table. It reads files as this program writes them; what other engines have rewritten, or deleted otherwise than by position, is not given
// back.
func (t *Table) Rows(ctx context.Context, v icebergsink.View, src schemas.SourceID, in schemas.Span) (rows []schemas.Row, err error) {
	tbl, ok := v.Handle.(*table.Table)
	if !ok {
		return nil, errors.New("the view is of another table")
	}
	ctx = withFiles(ctx, t.cfg.Files)
	tasks, err := tbl.Scan(table.WithRowFilter(of(src, in.First, in.Next))).PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for files of table %s: %w", t.cfg.Table, err)
	}
	for _, task := range tasks {
		name := task.File.FilePath()
		if len(task.EqualityDeleteFiles)+len(task.DeletionVectorFiles) > 0 {
			return nil, fmt.Errorf("%w: rows of %s are deleted", sinks.ErrNotRecalled, name)
		}
		gone, err := t.gone(ctx, task)
		if err != nil {
			return nil, err
		}
		body, err := files{ctx, t.cfg.Files}.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := icebergsink.ReadRows(ctx, body, src, in, gone)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, some...)
	}
	return rows, nil
}

// gone are the positions of a data file's rows that are deleted.
func (t *Table) gone(ctx context.Context, task table.FileScanTask) (map[int64]bool, error) {
	all := map[int64]bool{}
	for _, d := range task.DeleteFiles {
		body, err := files{ctx, t.cfg.Files}.ReadFile(d.FilePath())
		if err != nil {
			return nil, err
		}
		some, err := icebergsink.ReadPositions(body)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", sinks.ErrNotRecalled, d.FilePath(), err)
		}
		maps.Copy(all, some[task.File.FilePath()])
	}
	return all, nil
}
