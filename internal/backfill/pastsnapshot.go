package backfill

import (
	"context"
	"encoding/json"
	"fmt"

	"vecmill/internal/backfill/ledger"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// PastRows is the rows of a pipeline in a table as one of its snapshots has it: the same rows in the same order, whenever it is asked.
type PastRows interface {
	// Snapshot names it; nil for a table that has none yet, and no rows.
	Snapshot() *int64

	// Rows calls each for every row with what it came from; unless whole, only with its id, its place and its time. l is valid during the call.
	Rows(ctx context.Context, whole bool, each func(l *schemas.Lineage) error) error
}

// PastSnapshot enumerates the references of what a table has of a pipeline, each reference's latest row alone, when that may lie anywhere in the table: the rows are read twice, once to know which are the
// latest. It implements Source. The snapshot is fixed when the enumeration begins: gone on with, it gives the same references in the same order.
type PastSnapshot struct {
	Bounds func(ctx context.Context) ([]Bound, error) // asked once, before the snapshot is opened
	Open   func(ctx context.Context, snapshot *int64) (PastRows, error)
}

// Each implements Source.
func (p *PastSnapshot) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) (err error) {
	var from pastState
	if state != nil {
		if err := json.Unmarshal(state, &from); err != nil {
			return fmt.Errorf("the enumeration's progress: %w", err)
		}
	} else if from.Bounds, err = p.Bounds(ctx); err != nil {
		return err
	}
	rows, err := p.Open(ctx, from.Snapshot)
	if err != nil {
		return err
	}
	w := &pastWalk{give: give, skip: from.Given, at: pastState{Bounds: from.Bounds, Snapshot: rows.Snapshot()}}
	sources := map[schemas.SourceID]int32{} // without the pipeline, which rows do not tell
	for i, b := range from.Bounds {
		sources[schemas.SourceID{Topic: b.Source.Topic, Partition: b.Source.Partition}] = int32(i)
	}
	at := func(l *schemas.Lineage) (ledger.Row, bool) {
		n, ok := sources[schemas.SourceID{Topic: l.Topic, Partition: l.Partition}] // one that is not there has begun since
		return ledger.Row{Source: n, Offset: l.Offset, Made: l.CreatedAt.UnixMicro()}, ok
	}
	latest := &ledger.Latest{}
	if err := rows.Rows(ctx, false, func(l *schemas.Lineage) error {
		if r, ok := at(l); ok {
			latest.Note(l.RefID, r)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := rows.Rows(ctx, true, func(l *schemas.Lineage) error {
		r, ok := at(l)
		if !ok || !latest.Take(l.RefID, r) || l.Offset >= from.Bounds[r.Source].Stream {
			return nil
		}
		return w.add(pastItem(l))
	}); err != nil {
		return err
	}
	return w.flush()
}
