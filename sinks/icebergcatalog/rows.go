package icebergcatalog

import (
	"context"
	"errors"
	"fmt"

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

// Rows implements icebergsink.Table. It reads files as this program writes them; what other engines have rewritten or deleted from is not given back.
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
		if len(task.DeleteFiles)+len(task.EqualityDeleteFiles)+len(task.DeletionVectorFiles) > 0 {
			return nil, fmt.Errorf("%w: rows of %s are deleted", sinks.ErrNotRecalled, name)
		}
		body, err := files{ctx, t.cfg.Files}.ReadFile(name)
		if err != nil {
			return nil, err
		}
		some, err := icebergsink.ReadRows(ctx, body, src, in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, some...)
	}
	return rows, nil
}
