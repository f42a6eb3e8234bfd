package arrowrow

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
)

// Builder collects rows into records. It is for one goroutine at a time and must be released.
type Builder struct {
	rb     *array.RecordBuilder
	puts   []put                   // one per column
	filled map[schemas.Task][]bool // per task: which columns are its payload
	halves bool                    // there is a column for vectors in half precision
}

// put appends one column's value of a row; filled says whether the row's task defines the column.
type put func(b array.Builder, r *schemas.Row, filled bool)

// NewBuilder makes a builder for rows of the given tasks. A task whose columns this package does not know is an error.
func NewBuilder(mem memory.Allocator, tasks ...schemas.Task) (*Builder, error) {
	return newBuilder(mem, Schema(tasks...), tasks)
}

// NewWideBuilder is NewBuilder for WideSchema.
func NewWideBuilder(mem memory.Allocator, tasks ...schemas.Task) (*Builder, error) {
	return newBuilder(mem, WideSchema(tasks...), tasks)
}

// NewSingleBuilder is NewBuilder for SingleSchema.
func NewSingleBuilder(mem memory.Allocator, tasks ...schemas.Task) (*Builder, error) {
	return newBuilder(mem, SingleSchema(tasks...), tasks)
}

func newBuilder(mem memory.Allocator, schema *arrow.Schema, tasks []schemas.Task) (*Builder, error) {
	b := &Builder{rb: array.NewRecordBuilder(mem, schema), filled: map[schemas.Task][]bool{}, halves: schema.HasField("vector_f16")}
	known := columns()
	for _, f := range schema.Fields() {
		c, ok := known[f.Name]
		if !ok {
			b.rb.Release()
			return nil, fmt.Errorf("building rows: column %s is in the schema but this build cannot fill it", f.Name)
		}
		b.puts = append(b.puts, c.put)
	}
	for _, t := range tasks {
		b.filled[t] = make([]bool, schema.NumFields())
		for _, c := range schemas.PayloadColumns(t) {
			if at := schema.FieldIndices(c.Name); len(at) > 0 {
				b.filled[t][at[0]] = true
			}
		}
	}
	return b, nil
}

// Schema is the schema of the records.
func (b *Builder) Schema() *arrow.Schema { return b.rb.Schema() }

// Append adds a row. A row of a task that the builder was not made for is refused: its result would be lost without a word.
func (b *Builder) Append(r *schemas.Row) error {
	filled, ok := b.filled[r.Task]
	if !ok {
		return fmt.Errorf("row %s has task %q, which this schema has no columns for", r.RowID, r.Task)
	}
	if len(r.Half) > 0 && !b.halves {
		return fmt.Errorf("row %s has a vector in half precision, which this schema has no column for", r.RowID)
	}
	for i, p := range b.puts {
		p(b.rb.Field(i), r, filled[i])
	}
	return nil
}

// NewRecord gives the rows appended since the last call as a record that the caller releases, and begins anew.
func (b *Builder) NewRecord() arrow.Record { return b.rb.NewRecord() }

// Release frees the builder.
func (b *Builder) Release() { b.rb.Release() }

// text repairs what is not UTF-8.
func text[S ~string](s S) string { return strings.ToValidUTF8(string(s), "\uFFFD") }
