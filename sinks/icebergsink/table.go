package icebergsink

import (
	"context"
	"errors"

	"vecmill/schemas"
)

// ErrRefused says that the catalog understood the request and will not do it (access denied, no such table): repeating it will not help.
var ErrRefused = errors.New("the catalog refuses")

// Table is one table of a catalog. It is safe for concurrent use.
type Table interface {
	// Load shows the table as it is now, never from a cache.
	Load(ctx context.Context) (View, error)

	// Append makes a snapshot on top of v's current one that registers the files of d and has the summary, if v's current one is still the table's; any error may
	// mean that it was made all the same, or will be yet. No files make a snapshot that only has the summary.
	Append(ctx context.Context, v View, d Delta, summary map[string]string) error

	// Candidates lists the data files of v's current snapshot that may have rows which the tombstones take away. It leaves out none that has some.
	Candidates(ctx context.Context, v View, of []Tombstone) ([]Candidate, error)

	// Rows are the rows of a source with offsets in a span, as v's current snapshot has them. It fails with sinks.ErrNotRecalled if others
	// have worked on the files that they are in.
	Rows(ctx context.Context, v View, src schemas.SourceID, in schemas.Span) ([]schemas.Row, error)

	// Close lets the catalog go.
	Close() error
}

// View is a table as its catalog showed it at one moment.
type View struct {
	ID        string     // of the table: another one under the same name has another
	Ancestors []Snapshot // the current snapshot, its parent and so on; none for an empty table
	Truncated bool       // the last ancestor has a parent that is expired

	Dir       string                                                 // where data files go: an URL without a slash at the end
	FieldID   func(path string) (int, bool)                          // of a column or a part of one: "words.element.start"
	Partition func(pipeline string, row *schemas.Row) (Tuple, error) // nil: the table is not partitioned

	Handle any // of the implementation
}

// Tuple is the values of a table's partition fields for a row.
type Tuple struct {
	Path   string // readable, equal for equal values, and good as a directory: "task=embedding/created_at_day=2026-11-28"
	Values any    // of the implementation
}

// Delta is what a snapshot adds to a table.
type Delta struct {
	Data    []File
	Deletes []File // of positions in data files that the table has: rows there are gone from this snapshot on
}

// Tombstone takes away the rows that a source gave of a reference before an offset.
type Tombstone struct {
	Source schemas.SourceID
	schemas.Deletion
}

// Candidate is a data file that is in a table.
type Candidate struct {
	URL     string
	Bytes   int64
	Tuple   Tuple    // of its partition
	Deletes []string // URLs of the files of positions that are gone from it
}

// File is a file of rows, or of positions, that is durable and in no snapshot yet.
type File struct {
	URL     string
	Bytes   int64
	Rows    int64
	Tuple   Tuple
	Columns map[int]Column // by field id; what is not known is not there
}

// Column is what a file's footer says of a column.
type Column struct {
	Bytes         int64
	Values, Nulls int64
	Lower, Upper  []byte // bounds of the values as Iceberg writes single values; nil where none are kept

	unbounded bool // a row group has none
}
