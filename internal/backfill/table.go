package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"vecmill/internal/backfill/plan"
)

// Frozen is a table as one of its snapshots has it: the same files with the same rows in the same order, whenever it is asked. It is safe for concurrent use.
type Frozen interface {
	// Snapshot names it; nil for a table that has none yet, and no rows.
	Snapshot() *int64

	// Files are those of the snapshot, ascending.
	Files() []string

	// Values calls each for the rows of a file behind the first ones, as references in JSON. A value is valid during the call; nil is a row that is nothing.
	Values(ctx context.Context, file string, behind int64, each func(value []byte) error) error
}

// Table enumerates the rows of a table that others may write to meanwhile: the snapshot is fixed when the enumeration begins. It implements Source.
type Table struct {
	Open   func(ctx context.Context, snapshot *int64) (Frozen, error) // nil: as the table is now
	AtOnce int                                                        // files that are read at once

	taken *int64
}

// TableScheme is how the names of such sources begin.
const TableScheme = "iceberg://"

// tableAt is how far a table was given.
type tableAt struct {
	Snapshot *int64 `json:"snapshot"`
	File     string `json:"file"` // files before it are given
	Rows     int64  `json:"rows"` // and so many rows of it
}

// Taken is the snapshot whose rows were given; nil if there was none.
func (t *Table) Taken() *int64 { return t.taken }

// Each implements Source.
func (t *Table) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	var at tableAt
	if state != nil {
		if err := json.Unmarshal(state, &at); err != nil {
			return fmt.Errorf("the table's progress: %w", err)
		}
	}
	rows, err := t.Open(ctx, at.Snapshot)
	if err != nil {
		return err
	}
	at.Snapshot = rows.Snapshot()
	t.taken = at.Snapshot
	files := rows.Files()
	n, found := slices.BinarySearch(files, at.File)
	if at.File != "" && !found {
		return fmt.Errorf("the snapshot has no file %s, and the plan has rows of it: it is another table now; plan it at another place", at.File)
	}
	return ahead(ctx, t.AtOnce, func(_ context.Context, begin func(reader[given]) error) error {
		for _, file := range files[n:] {
			if file != at.File {
				at.File, at.Rows = file, 0
			}
			from := at
			if err := begin(func(ctx context.Context, send func(given) error) error { return t.read(ctx, rows, from, send) }); err != nil {
				return err
			}
		}
		return nil
	}, func(g given) error { return give(g.items, g.state) })
}

// read reads what is left of a file.
func (t *Table) read(ctx context.Context, rows Frozen, at tableAt, send func(given) error) error {
	var items []plan.Item
	size := 0
	if err := rows.Values(ctx, at.File, at.Rows, func(value []byte) error {
		at.Rows++
		if value != nil {
			size += len(value)
			items = append(items, itemOf(value))
		}
		if len(items) < linesAtOnce && size < bytesAtOnce {
			return nil
		}
		err := send(given{items, at})
		items, size = nil, 0
		return err
	}); err != nil || len(items) == 0 {
		return err
	}
	return send(given{items, at})
}
