package pgvectorsink

import (
	"context"
	"errors"
	"slices"
	"sync"

	"vecmill/schemas"
)

var errLost = errors.New("the connection is lost")

// fake is a server in memory. Every fault-th put is lost, before or after it landed in turn.
type fake struct {
	fault int
	gone  map[string]bool // ids of the rows that a tombstone has taken
	mu    struct {
		sync.Mutex
		puts   int
		ends   map[schemas.SourceID]int64
		stored map[schemas.SourceID][]batch
	}
}

func newFake(fault int) *fake {
	f := &fake{fault: fault}
	f.mu.ends, f.mu.stored = map[schemas.SourceID]int64{}, map[schemas.SourceID][]batch{}
	return f
}

func (f *fake) Next(_ context.Context, src schemas.SourceID) (int64, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next, known := f.mu.ends[src]
	return next, known, nil
}

func (f *fake) Put(ctx context.Context, src schemas.SourceID, left func(int64, bool) (schemas.Range, []schemas.Row, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.puts++
	lost := f.fault > 0 && f.mu.puts%f.fault == 0
	if lost && f.mu.puts/f.fault%2 == 0 {
		return errLost
	}
	stored, known := f.mu.ends[src]
	r, rows, err := left(stored, known)
	if err != nil {
		return err
	}
	if r.Len() > 0 {
		f.mu.ends[src] = r.Next
		f.mu.stored[src] = append(f.mu.stored[src], batch{r, rows})
	}
	if lost {
		return errLost
	}
	return nil
}

func (f *fake) Ranges(_ context.Context, src schemas.SourceID, span schemas.Span) (out []schemas.Range, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.mu.stored[src] {
		if b.r.Next > span.First && b.r.First < span.Next {
			out = append(out, b.r)
		}
	}
	return out, nil
}

func (f *fake) Rows(_ context.Context, r schemas.Range) (rows []schemas.Row, gone []int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.mu.stored[r.Source] {
		for i := range b.rows {
			switch {
			case b.r.First != r.First:
			case f.gone[b.rows[i].RowID]:
				gone = append(gone, b.rows[i].Offset)
			default:
				rows = append(rows, b.rows[i])
			}
		}
	}
	return rows, slices.Compact(gone), nil
}

func (f *fake) Close() {}
