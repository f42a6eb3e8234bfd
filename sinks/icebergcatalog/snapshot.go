package icebergcatalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
)

// Snapshot is a table as one of its snapshots has it, whoever wrote it: deleted rows are left out, whether by position, by equality or by a deletion vector, and columns that were renamed or added
// since a file was written are as the snapshot's schema has them. It is always the same rows, in the same order.
type Snapshot struct {
	t   *Table
	tbl *table.Table
	id  *int64 // nil: the table has none yet
}

// ErrNoTable says that the catalog has no such table.
var ErrNoTable = errors.New("there is no such table")

// ErrExpired says that the table does not have the snapshot any more.
var ErrExpired = errors.New("the snapshot is expired")

// batchRows is how many rows are decoded at a time.
const batchRows = 1024

// OpenSnapshot opens a table at a snapshot; nil is the current one. Of the configuration it needs the catalog, the table and the files. It fails with ErrNoTable or ErrExpired if there is nothing to open.
func OpenSnapshot(ctx context.Context, c Config, id *int64) (*Snapshot, error) {
	t, err := connected(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{t: t}
	err = t.try(ctx, func(ctx context.Context) (err error) {
		s.tbl, err = t.load(ctx)
		return err
	})
	if err == nil {
		s.id, err = snapshotOf(s.tbl, id)
	}
	if err != nil {
		_ = t.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

// snapshotOf finds a snapshot; nil is the current one.
func snapshotOf(tbl *table.Table, id *int64) (*int64, error) {
	if id == nil {
		if now := tbl.CurrentSnapshot(); now != nil {
			id = &now.SnapshotID
		}
		return id, nil
	}
	if tbl.SnapshotByID(*id) == nil {
		return nil, fmt.Errorf("%w: table %s has no snapshot %d any more", ErrExpired, tbl.Identifier()[len(tbl.Identifier())-1], *id)
	}
	return id, nil
}

// Close lets the catalog go.
func (s *Snapshot) Close() error { return s.t.Close() }

// ID is the snapshot's; nil for a table that has none.
func (s *Snapshot) ID() *int64 { return s.id }

// Column is a column of a table that is no list, map or struct.
type Column struct {
	Name     string
	Type     string // in Iceberg's words
	Kind     parquetfile.Kind
	Readable bool // it has a Kind
}

// Columns are those of the snapshot's schema.
func (s *Snapshot) Columns() ([]Column, error) {
	sc, err := s.scan([]string{"*"}).Projection()
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", s.t.cfg.Table, err)
	}
	var all []Column
	for _, f := range sc.Fields() {
		if _, nested := f.Type.(iceberg.NestedType); nested {
			continue
		}
		c := Column{Name: f.Name, Type: f.Type.String()}
		c.Kind, c.Readable = kindOf(f.Type)
		all = append(all, c)
	}
	return all, nil
}

func kindOf(t iceberg.Type) (parquetfile.Kind, bool) {
	switch t.(type) {
	case iceberg.StringType, iceberg.UUIDType:
		return parquetfile.Text, true
	case iceberg.BinaryType, iceberg.FixedType:
		return parquetfile.Bytes, true
	case iceberg.Int32Type, iceberg.Int64Type:
		return parquetfile.Int, true
	case iceberg.BooleanType:
		return parquetfile.Bool, true
	}
	return 0, false
}

func (s *Snapshot) scan(columns []string, o ...table.ScanOption) *table.Scan {
	o = append(o, table.WithSelectedFields(columns...), table.WithMaxConcurrency(1), table.WithArrowBatchSize(batchRows))
	if s.id != nil {
		o = append(o, table.WithSnapshotID(*s.id))
	}
	return s.tbl.Scan(o...)
}

// Scan is some columns of a snapshot's rows. Rows of a file are read a row group's columns at a time; files are in an order that is always the same.
type Scan struct {
	Files []string // their URLs

	s       *Snapshot
	scan    *table.Scan
	columns []string
	tasks   map[string][]table.FileScanTask // a large file is several, ascending
}

// Scan looks for the files that have the rows of a pipeline; "" is all rows.
func (s *Snapshot) Scan(ctx context.Context, pipeline string, columns ...string) (*Scan, error) {
	if pipeline == "" {
		return s.scanOf(ctx, nil, columns...)
	}
	return s.scanOf(ctx, iceberg.EqualTo(iceberg.Reference(icebergsink.PipelineColumn), pipeline), columns...)
}

// scanOf looks for the files that have rows which a filter lets pass; nil is all rows.
func (s *Snapshot) scanOf(ctx context.Context, filter iceberg.BooleanExpression, columns ...string) (*Scan, error) {
	var only []table.ScanOption
	if filter != nil {
		only = append(only, table.WithRowFilter(filter))
	}
	out := &Scan{s: s, scan: s.scan(columns, only...), columns: columns, tasks: map[string][]table.FileScanTask{}}
	if s.id == nil {
		return out, nil
	}
	var tasks []table.FileScanTask
	if err := s.t.try(ctx, func(ctx context.Context) (err error) {
		tasks, err = out.scan.PlanFiles(withFiles(ctx, s.t.cfg.Files))
		return err
	}); err != nil {
		return nil, fmt.Errorf("looking for files of table %s: %w", s.t.cfg.Table, err)
	}
	for _, task := range tasks {
		task.File = iceberg.DataFileWithoutColumnStats(task.File) // bounds of all columns are long, and planning has used them
		task = proper(task)
		name := task.File.FilePath()
		if out.tasks[name] == nil {
			out.Files = append(out.Files, name)
		}
		out.tasks[name] = append(out.tasks[name], task)
	}
	slices.Sort(out.Files)
	s.t.files.keep(out.tasks)
	for _, parts := range out.tasks {
		slices.SortFunc(parts, func(a, b table.FileScanTask) int { return cmp.Compare(a.Start, b.Start) })
	}
	return out, nil
}

// records calls each for the rows of a file that are not deleted.
func (c *Scan) records(ctx context.Context, file string, each func(arrow.RecordBatch) error) error {
	_, records, err := c.scan.ReadTasks(withFiles(ctx, c.s.t.cfg.Files), c.tasks[file])
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	for rec, err := range records {
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		err = each(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Rows calls each for every row of a file with its values of the columns. The error of each ends it; row is valid during the call.
func (c *Scan) Rows(ctx context.Context, file string, each func(row []parquetfile.Value) error) error {
	row, cells := make([]parquetfile.Value, len(c.columns)), make([]cells, len(c.columns))
	return c.records(ctx, file, func(rec arrow.RecordBatch) error {
		for i, name := range c.columns { // a record has them in the order of the schema
			at := rec.Schema().FieldIndices(name)
			if len(at) != 1 {
				return fmt.Errorf("reading %s: %d columns %s", file, len(at), name)
			}
			var err error
			if cells[i], err = cellsOf(rec.Column(at[0])); err != nil {
				return fmt.Errorf("column %s: %w", name, err)
			}
		}
		for n := range int(rec.NumRows()) {
			for i := range cells {
				row[i] = cells[i](n)
			}
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// proper is a task whose files' formats are called as the library knows them: DuckDB writes "parquet", which the library takes for another format than "PARQUET".
func proper(task table.FileScanTask) table.FileScanTask {
	called := func(f iceberg.DataFile) iceberg.DataFile {
		if want := iceberg.FileFormat(strings.ToUpper(string(f.FileFormat()))); want != f.FileFormat() {
			return formatted{f, want}
		}
		return f
	}
	task.File = called(task.File)
	for _, of := range [][]iceberg.DataFile{task.DeleteFiles, task.EqualityDeleteFiles} {
		for i := range of {
			of[i] = called(of[i])
		}
	}
	return task
}

// formatted is a file with the name of its format.
type formatted struct {
	iceberg.DataFile
	format iceberg.FileFormat
}

// FileFormat implements iceberg.DataFile.
func (f formatted) FileFormat() iceberg.FileFormat { return f.format }
