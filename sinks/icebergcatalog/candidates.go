package icebergcatalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"vecmill/sinks/icebergsink"
)

// mostIDs is how many values a predicate may list so that the library compares each with a file's bounds.
const mostIDs = 200

// errOtherFormat says that a table has files which this program does not read.
var errOtherFormat = fmt.Errorf("%w: tombstones cannot be carried out", icebergsink.ErrRefused)

// Candidates implements icebergsink.Table: what a scan of the snapshot would read for the references, by the partitions and bounds of the files.
func (t *Table) Candidates(ctx context.Context, v icebergsink.View, of []icebergsink.Tombstone) (all []icebergsink.Candidate, err error) {
	tbl, ok := v.Handle.(*table.Table)
	if !ok {
		return nil, errors.New("the view is of another table")
	}
	tasks, err := tbl.Scan(table.WithRowFilter(named(of))).PlanFiles(withFiles(ctx, t.cfg.Files))
	if err != nil {
		return nil, fmt.Errorf("looking for files of table %s: %w", t.cfg.Table, err)
	}
	seen := map[string]bool{}
	for _, task := range tasks {
		f := task.File
		if seen[f.FilePath()] { // a large file may be planned in several pieces
			continue
		}
		seen[f.FilePath()] = true
		if f.FileFormat() != iceberg.ParquetFile {
			return nil, fmt.Errorf("%w: %s of table %s is of format %s, and this build looks for rows in Parquet files", errOtherFormat, f.FilePath(), t.cfg.Table, f.FileFormat())
		}
		spec := tbl.Metadata().PartitionSpecByID(int(f.SpecID()))
		if spec == nil {
			return nil, fmt.Errorf("%w: %s of table %s has a partition spec, %d, that the table does not know", errOtherFormat, f.FilePath(), t.cfg.Table, f.SpecID())
		}
		c := icebergsink.Candidate{URL: f.FilePath(), Bytes: f.FileSizeBytes()}
		c.Tuple = tupleOf(*spec, kindsOf(*spec, tbl.Schema()), maps.Clone(f.Partition()))
		if spec.ID() != tbl.Metadata().DefaultPartitionSpec() { // positions are for files of one spec
			c.Tuple.Path = path.Join(fmt.Sprint("spec=", spec.ID()), c.Tuple.Path)
		}
		for _, d := range task.DeleteFiles {
			c.Deletes = append(c.Deletes, d.FilePath())
		}
		all = append(all, c)
	}
	return all, nil
}

// named is a filter that every row passes which one of the tombstones takes away, and few others.
func named(of []icebergsink.Tombstone) iceberg.BooleanExpression {
	pipelines, topics, refs, partitions := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[int32]bool{}
	last := int64(0)
	for _, t := range of {
		pipelines[t.Source.Pipeline], topics[t.Source.Topic], refs[t.RefID], partitions[int32(t.Source.Partition)] = true, true, true, true
		last = max(last, t.Offset)
	}
	return iceberg.NewAnd(
		among(icebergsink.PipelineColumn, pipelines), among("topic", topics), among("ref_id", refs), among("partition", partitions),
		iceberg.LessThan(iceberg.Reference("offset"), last))
}

// among says that a column has one of the values, or lies between them if there are many.
func among[T string | int32](column string, values map[T]bool) iceberg.BooleanExpression {
	list := slices.Sorted(maps.Keys(values))
	if len(list) <= mostIDs {
		return iceberg.IsIn(iceberg.Reference(column), list...)
	}
	return iceberg.NewAnd(iceberg.GreaterThanEqual(iceberg.Reference(column), list[0]), iceberg.LessThanEqual(iceberg.Reference(column), list[len(list)-1]))
}
