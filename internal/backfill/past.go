package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vecmill/internal/backfill/ledger"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Bound says which offsets of a source a recomputation takes from an output.
type Bound struct {
	Source schemas.SourceID `json:"source"`
	Next   int64            `json:"next"`   // what the output had when the plan was begun: offsets before it
	Stream int64            `json:"stream"` // from here on the stream itself is computed by the new pipeline; MaxInt64: nothing is
}

// PastFile is a file of a pipeline's output.
type PastFile struct {
	Name    string
	Range   schemas.Range
	Created time.Time
}

// PastFiles enumerates the references of what files have of a pipeline, each reference's latest row alone, and those not that were deleted since. It implements Source. Files do not change, and
// which of them count is settled when the enumeration begins: gone on with, it gives the same references in the same order.
type PastFiles struct {
	Bounds func(ctx context.Context) ([]Bound, error)                                        // asked once
	List   func(ctx context.Context, src schemas.SourceID) ([]PastFile, error)               // ascending by offset
	Rows   func(ctx context.Context, file string, each func(l *schemas.Lineage) error) error // the last first; l is a row's own. Safe for concurrent use
	AtOnce int                                                                               // files that are read at once
}

// pastState is where an enumeration of files stands.
type pastState struct {
	Bounds   []Bound `json:"bounds"`
	Snapshot *int64  `json:"snapshot,omitempty"` // of a table
	Given    int64   `json:"given"`
}

// Each implements Source.
func (p *PastFiles) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	var from pastState
	var err error
	if state != nil {
		if err := json.Unmarshal(state, &from); err != nil {
			return fmt.Errorf("the enumeration's progress: %w", err)
		}
	} else if from.Bounds, err = p.Bounds(ctx); err != nil {
		return err
	}
	w := &pastWalk{give: give, skip: from.Given, at: pastState{Bounds: from.Bounds}}
	chains := make([][]PastFile, len(from.Bounds))
	for i, b := range from.Bounds {
		files, err := p.List(ctx, b.Source)
		if err != nil {
			return err
		}
		chains[i] = slices.DeleteFunc(files, func(f PastFile) bool { return f.Range.Next > b.Next }) // written since
		for k := 1; k < len(chains[i]); k++ {
			if before := chains[i][k-1].Created; before.After(chains[i][k].Created) {
				chains[i][k].Created = before // it was written by a clock that is late
			}
		}
	}
	if err := ahead(ctx, p.AtOnce, func(_ context.Context, begin func(reader[pastRows]) error) error {
		for i := latest(chains); i >= 0; i = latest(chains) {
			n := len(chains[i]) - 1
			f, stream := chains[i][n], from.Bounds[i].Stream
			chains[i] = chains[i][:n]
			if err := begin(func(ctx context.Context, send func(pastRows) error) error { return p.read(ctx, &f, stream, send) }); err != nil {
				return err
			}
		}
		return nil
	}, w.rows); err != nil {
		return err
	}
	return w.flush()
}

// pastRows are rows of a file, the last first.
type pastRows struct {
	f      *PastFile
	stream int64 // from here on they are the stream's
	rows   []schemas.Lineage
	last   bool // of the file
}

func (p *PastFiles) read(ctx context.Context, f *PastFile, stream int64, send func(pastRows) error) error {
	some := pastRows{f: f, stream: stream}
	if err := p.Rows(ctx, f.Name, func(l *schemas.Lineage) error {
		if some.rows = append(some.rows, *l); len(some.rows) < linesAtOnce {
			return nil
		}
		err := send(some)
		some.rows = nil
		return err
	}); err != nil {
		return fmt.Errorf("reading %s: %w", f.Name, err)
	}
	some.last = true
	return send(some)
}

// latest is the chain whose last file was written last; -1 if there are no more files.
func latest(chains [][]PastFile) int {
	best := -1
	for i, c := range chains {
		if len(c) > 0 && (best < 0 || c[len(c)-1].Created.After(chains[best][len(chains[best])-1].Created)) {
			best = i
		}
	}
	return best
}

// pastWalk goes backwards through all rows.
type pastWalk struct {
	give  func(items []plan.Item, state any) error
	skip  int64 // given before
	at    pastState
	seen  ledger.Seen // ids that had a later row, or were deleted
	items []plan.Item

	f       *PastFile          // that is being read
	deletes []schemas.Deletion // of it, those that are not taken into account
	before  string             // the id of the row that came last
}

// rows takes some of a file's rows into account.
func (w *pastWalk) rows(p pastRows) error {
	if p.f != w.f {
		w.f, w.deletes, w.before = p.f, p.f.Range.Deletes, ""
	}
	for i := range p.rows {
		l := &p.rows[i]
		w.gone(l.Offset) // a record's deletions concern what came before it
		if l.RefID == w.before {
			continue // another window or head
		}
		w.before = l.RefID
		if !w.seen.Add(l.RefID) || l.Offset >= p.stream {
			continue
		}
		if err := w.add(pastItem(l)); err != nil {
			return err
		}
	}
	if p.last {
		w.gone(-1)
	}
	return nil
}

// gone takes the file's deletions behind an offset into account.
func (w *pastWalk) gone(behind int64) {
	n := len(w.deletes)
	for ; n > 0 && w.deletes[n-1].Offset > behind; n-- {
		w.seen.Add(w.deletes[n-1].RefID)
	}
	w.deletes = w.deletes[:n]
}

func (w *pastWalk) add(it plan.Item) error {
	if w.at.Given++; w.at.Given <= w.skip {
		return nil
	}
	if w.items = append(w.items, it); len(w.items) < linesAtOnce {
		return nil
	}
	return w.flush()
}

func (w *pastWalk) flush() error {
	items := w.items
	w.items = nil
	return w.give(items, w.at)
}

// PastTable enumerates the references of what a table has of a pipeline, each reference's latest row alone, by their ids. It implements Source.
type PastTable struct {
	Bounds func(ctx context.Context) ([]Bound, error)
	Page   func(ctx context.Context, after string, n int) ([]schemas.Lineage, error) // ascending by id
}

// tableState is where an enumeration of a table stands.
type tableState struct {
	Bounds []Bound `json:"bounds"`
	After  string  `json:"after"` // the last id
}

// Each implements Source.
func (p *PastTable) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) (err error) {
	var at tableState
	if state != nil {
		err = json.Unmarshal(state, &at)
	} else {
		at.Bounds, err = p.Bounds(ctx)
	}
	if err != nil {
		return fmt.Errorf("the enumeration's beginning: %w", err)
	}
	stream := map[schemas.SourceID]int64{}
	for _, b := range at.Bounds {
		stream[b.Source] = b.Stream
	}
	for {
		page, err := p.Page(ctx, at.After, linesAtOnce)
		if err != nil {
			return err
		}
		var items []plan.Item
		for i := range page {
			l := &page[i]
			for src, from := range stream {
				if src.Topic == l.Topic && src.Partition == l.Partition && l.Offset < from {
					items = append(items, pastItem(l))
				}
			}
			at.After = l.RefID
		}
		if err := give(items, at); err != nil {
			return err
		}
		if len(page) < linesAtOnce {
			return nil
		}
	}
}
