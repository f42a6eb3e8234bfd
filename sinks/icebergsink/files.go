package icebergsink

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/parquetfile"
)

// errUnwritable says that rows cannot be made a file for this table.
var errUnwritable = errors.New("the rows do not fit the table")

// PipelineColumn is the column that a table has besides those of rows: a table may have rows of several pipelines.
const PipelineColumn = "pipeline"

// Schema is the Arrow schema of a table with rows of the given tasks.
func Schema(tasks ...schemas.Task) *arrow.Schema {
	pipeline := arrow.Field{Name: PipelineColumn, Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"comment"}, []string{"the pipeline that wrote the row"})}
	return arrow.NewSchema(append([]arrow.Field{pipeline}, arrowrow.WideSchema(tasks...).Fields()...), nil)
}

// prepare writes the files of a roll ahead of its commit.
func (s *Sink) prepare(ctx context.Context, r *roll) {
	defer close(r.prepared)
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		r.err = ctx.Err()
		return
	}
	defer func() { <-s.slots }()
	rows := s.rowsOf(r, nil, s.doom(s.rangesOf(r)), nil)
	s.mu.Lock()
	v := s.mu.view // there, since no range is taken before Resume
	s.mu.Unlock()
	var files []File
	r.err = s.patiently(ctx, func(ctx context.Context) (err error) {
		files, err = s.writeFiles(ctx, v, rows)
		return err
	})
	if r.err == nil {
		r.rows, r.files = rows, files
	}
}

// rangesOf are the ranges of a roll whose sources are not given up.
func (s *Sink) rangesOf(r *roll) (all []schemas.Range) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range r.entries {
		if e.l.err == nil {
			all = append(all, e.r)
		}
	}
	return all
}

// rowsOf lists the rows of a roll whose sources are not given up and which are not doomed, by source; with ranges, those in them. Offsets of doomed ones go to gone,
// if there is one.
func (s *Sink) rowsOf(r *roll, of []schemas.Range, away doomed, gone map[schemas.SourceID][]int64) (rows []tableRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := map[schemas.SourceID]schemas.Span{}
	for i := range of {
		in[of[i].Source] = of[i].Span
	}
	for _, e := range r.entries {
		span := e.r.Span
		if of != nil {
			span = in[e.r.Source]
		}
		for i := range e.rows {
			row := &e.rows[i]
			switch o := row.Offset; {
			case o < span.First || o >= span.Next:
			case away.takes(e.r.Source, row.RefID, o) == nil:
				rows = append(rows, tableRow{e.r.Source.Pipeline, row})
			case gone != nil:
				gone[e.r.Source] = append(gone[e.r.Source], o)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b tableRow) int { // rows of a source beside each other have narrow bounds in their row groups
		return cmp.Or(cmp.Compare(a.pipeline, b.pipeline), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return rows
}

// writeFiles makes rows durable in files of the table, one for each of its partitions.
func (s *Sink) writeFiles(ctx context.Context, v *View, rows []tableRow) ([]File, error) {
	parts := map[string][]tableRow{}
	tuples := map[string]Tuple{}
	for _, r := range rows {
		var t Tuple
		if v.Partition != nil {
			var err error
			if t, err = v.Partition(r.pipeline, r.Row); err != nil {
				return nil, fmt.Errorf("%w: offset %d: %w", errUnwritable, r.Offset, err)
			}
		}
		parts[t.Path], tuples[t.Path] = append(parts[t.Path], r), t
	}
	var files []File
	for _, path := range slices.Sorted(maps.Keys(parts)) {
		f, err := s.writeFile(ctx, v, tuples[path], parts[path])
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (s *Sink) writeFile(ctx context.Context, v *View, t Tuple, rows []tableRow) (File, error) {
	f := File{URL: s.urlOf(v, t, ".parquet"), Rows: int64(len(rows)), Tuple: t}
	var size int64
	for i := range rows {
		size += rows[i].Size()
	}
	body, err := s.encode(v, rows, s.ratio.Guess(size))
	if err == nil {
		f.Columns, err = columns(body)
	}
	if err != nil {
		return f, fmt.Errorf("%w: encoding %s: %w", errUnwritable, f.URL, err)
	}
	s.ratio.Learn(size, int64(len(body)))
	return s.put(ctx, f, body)
}

// urlOf is a new name for a file of a table's partition.
func (s *Sink) urlOf(v *View, t Tuple, end string) string {
	dir := v.Dir + "/"
	if t.Path != "" {
		dir += t.Path + "/"
	}
	return dir + s.name() + end
}

// put makes a file durable.
func (s *Sink) put(ctx context.Context, f File, body []byte) (File, error) {
	f.Bytes = int64(len(body))
	store, name, err := s.cfg.Files(ctx, f.URL)
	if err != nil {
		return f, err
	}
	return f, store.Put(ctx, name, body, "application/vnd.apache.parquet") // nobody else has the name: a second try may replace the first one's file
}

// fileRows are the rows of a file, for parquetfile.
type fileRows struct {
	*arrowrow.Builder
	schema    *arrow.Schema
	rows      []tableRow
	pipelines *array.StringBuilder
}

func (f *fileRows) Schema() *arrow.Schema { return f.schema }
func (f *fileRows) Len() int              { return len(f.rows) }
func (f *fileRows) Size(i int) int64      { return f.rows[i].Size() }

func (f *fileRows) Append(i int) error {
	f.pipelines.Append(f.rows[i].pipeline)
	return f.Builder.Append(f.rows[i].Row)
}

func (f *fileRows) NewRecord() arrow.Record {
	rec, pipelines := f.Builder.NewRecord(), f.pipelines.NewArray()
	defer rec.Release()
	defer pipelines.Release()
	return array.NewRecord(f.schema, append([]arrow.Array{pipelines}, rec.Columns()...), rec.NumRows())
}

func (s *Sink) encode(v *View, rows []tableRow, guess int64) ([]byte, error) {
	mem := memory.DefaultAllocator
	b, err := arrowrow.NewWideBuilder(mem, s.cfg.Tasks...)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	pipelines := array.NewStringBuilder(mem)
	defer pipelines.Release()
	body, err := parquetfile.Write(&fileRows{b, Schema(s.cfg.Tasks...), rows, pipelines}, parquetfile.Options{
		Compression: s.cfg.Compression, Level: s.cfg.Level, Size: guess, Bare: true,
	})
	if err != nil {
		return nil, err
	}
	return parquetfile.SetFieldIDs(body, v.FieldID)
}

// ReadRows reads the rows of a source from the bytes of a data file, those with offsets in a span and at positions that are not gone, in the file's order. Files of
// other writers fail with sinks.ErrNotRecalled.
func ReadRows(ctx context.Context, body []byte, src schemas.SourceID, in schemas.Span, gone map[int64]bool) (rows []schemas.Row, err error) {
	all, err := parquetfile.Read(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sinks.ErrNotRecalled, err)
	}
	i := 0
	err = parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{PipelineColumn}, func(v []parquetfile.Value) error {
		r, pos := &all[i], int64(i)
		i++
		if !gone[pos] && v[0].Text == src.Pipeline && r.Topic == src.Topic && r.Partition == src.Partition && r.Offset >= in.First && r.Offset < in.Next {
			rows = append(rows, *r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sinks.ErrNotRecalled, err)
	}
	return rows, nil
}
