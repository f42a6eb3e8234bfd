package sinktest

import (
	"fmt"
	"reflect"
	"slices"

	"vecmill/schemas"
)

// Account is what a reader finds of one source.
type Account struct {
	Rows    []schemas.Row  // in any order
	Dead    []schemas.Span // offsets recorded as dead
	Lost    []schemas.Span // offsets recorded as lost
	Skipped []schemas.Span // offsets recorded as skipped; a chain may record offsets before its first range here
	Tasks   []schemas.Task // of MakeOf; nil for Make
}

// Audit compares an account with the ranges [first, next) of Make: every offset exactly once, every row as it was made, nothing else. It gives the first
// offence, or nil. Sinks that do not record these are compared by rows alone.
func (a *Account) Audit(src schemas.SourceID, first, next int64, recordsFates bool) error {
	tasks := a.Tasks
	if tasks == nil {
		tasks = schemas.Tasks()
	}
	r, rows := MakeOf(tasks, src, first, next)
	want := map[string]*schemas.Row{}
	for i := range rows {
		want[rows[i].RowID] = &rows[i]
	}
	seen := map[string]bool{}
	for i := range a.Rows {
		got := &a.Rows[i]
		w := want[got.RowID]
		switch {
		case w == nil:
			return fmt.Errorf("offset %d: a row that nobody wrote: %+v", got.Offset, *got)
		case seen[got.RowID]:
			return fmt.Errorf("offset %d: window %d is there twice", got.Offset, got.Window)
		case !reflect.DeepEqual(*got, *w):
			return fmt.Errorf("offset %d: the row reads back changed:\n got %+v\nwant %+v", got.Offset, *got, *w)
		}
		seen[got.RowID] = true
	}
	for i := range rows {
		if !seen[rows[i].RowID] {
			return fmt.Errorf("offset %d: window %d is lost", rows[i].Offset, rows[i].Window)
		}
	}
	if !recordsFates {
		return nil
	}
	if got, want := offsets(a.Dead, first, next), offsets(r.Dead, first, next); !slices.Equal(got, want) {
		return fmt.Errorf("dead offsets %v, want %v", got, want)
	}
	if got, want := offsets(a.Skipped, first, next), offsets(r.Skipped, first, next); !slices.Equal(got, want) {
		return fmt.Errorf("skipped offsets %v, want %v", got, want)
	}
	if got, want := offsets(a.Lost, first, next), offsets(r.Lost, first, next); !slices.Equal(got, want) {
		return fmt.Errorf("lost offsets %v, want %v", got, want)
	}
	return nil
}

// offsets lists the offsets of spans from first on; one beyond next shows as a difference, since Make has none there.
func offsets(spans []schemas.Span, first, next int64) []int64 {
	var out []int64
	for _, s := range spans {
		for o := max(s.First, first); o < s.Next; o++ {
			out = append(out, o)
			if o > next {
				return out
			}
		}
	}
	slices.Sort(out)
	return out
}
