package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
)

// ranges is a change whose files are named after the ranges that they were asked for.
type ranges []schemas.Range

func (r ranges) Wanted() []schemas.Range { return r }

func (r ranges) Delta(_ context.Context, _ *View, of []schemas.Range) (d Delta, _ Offsets, _ error) {
	for i := range of {
		d.Data = append(d.Data, File{URL: fmt.Sprintf("%s %d-%d", of[i].Source, of[i].First, of[i].Next)})
	}
	return d, nil, nil
}

func rangeOf(n int, first, next int64) schemas.Range {
	return schemas.Range{Source: srcOf(n), Span: schemas.Span{First: first, Next: next}}
}

func optionsOf(nonce string) Options {
	return Options{Retry: retry.Policy{Attempts: 9}, Timeout: time.Minute, Nonce: nonce}
}

func mustCommit(t *testing.T, m *memTable, nonce string, r ...schemas.Range) {
	t.Helper()
	if out, err := Commit(t.Context(), m, ranges(r), optionsOf(nonce)); err != nil || len(out.Added) != len(r) {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestCommit(t *testing.T) {
	first := func(f fault) func(int) fault {
		return func(n int) fault {
			if n == 1 {
				return f
			}
			return fault{}
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *memTable)
		wanted  ranges
		next    Progress
		added   []schemas.Range
		taken   []schemas.Range
		fenced  []schemas.SourceID
		err     error
		made    int // snapshots in the end
	}{
		{
			"an unknown source begins at 0, with what was before as skipped", func(*testing.T, *memTable) {},
			ranges{rangeOf(0, 7, 9)},
			Progress{srcOf(0): 9},
			[]schemas.Range{{Source: srcOf(0), Span: schemas.Span{Next: 9}, Skipped: []schemas.Span{{Next: 7}}}},
			nil, nil, nil, 1,
		},
		{
			"several sources are one snapshot", func(*testing.T, *memTable) {},
			ranges{rangeOf(0, 0, 9), rangeOf(1, 0, 4)},
			Progress{srcOf(0): 9, srcOf(1): 4},
			[]schemas.Range{rangeOf(0, 0, 9), rangeOf(1, 0, 4)},
			nil, nil, nil, 1,
		},
		{
			"a commit that landed and looked failed is found and not repeated", func(_ *testing.T, m *memTable) { m.faults = first(fault{err: errFault, land: true}) },
			ranges{rangeOf(0, 0, 9)},
			Progress{srcOf(0): 9},
			[]schemas.Range{rangeOf(0, 0, 9)},
			nil, nil, nil, 1,
		},
		{
			"a commit that did not land is repeated", func(_ *testing.T, m *memTable) { m.faults = first(fault{err: errFault}) },
			ranges{rangeOf(0, 0, 9)},
			Progress{srcOf(0): 9},
			[]schemas.Range{rangeOf(0, 0, 9)},
			nil, nil, nil, 1,
		},
		{
			"a zombie adds nothing", func(t *testing.T, m *memTable) { mustCommit(t, m, "y", rangeOf(0, 0, 12)) },
			ranges{rangeOf(0, 0, 9)},
			Progress{srcOf(0): 12},
			nil,
			[]schemas.Range{rangeOf(0, 0, 9)},
			nil, nil, 1,
		},
		{
			"what another writer has is left out, and the other source is not held up", func(t *testing.T, m *memTable) { mustCommit(t, m, "y", rangeOf(0, 0, 5)) },
			ranges{rangeOf(0, 0, 9), rangeOf(1, 0, 4)},
			Progress{srcOf(0): 9, srcOf(1): 4},
			[]schemas.Range{rangeOf(0, 5, 9), rangeOf(1, 0, 4)},
			[]schemas.Range{rangeOf(0, 0, 5)},
			nil, nil, 2,
		},
		{
			"a gap is fenced, and the other source is not held up", func(t *testing.T, m *memTable) { mustCommit(t, m, "y", rangeOf(0, 0, 5)) },
			ranges{rangeOf(0, 6, 9), rangeOf(1, 0, 4)},
			Progress{srcOf(1): 4},
			[]schemas.Range{rangeOf(1, 0, 4)},
			nil,
			[]schemas.SourceID{srcOf(0)},
			nil, 2,
		},
		{
			"progress is found behind a compaction", func(t *testing.T, m *memTable) {
				mustCommit(t, m, "y", rangeOf(0, 0, 5))
				m.snapshots = append(m.snapshots, memSnapshot{Snapshot: Snapshot{2, map[string]string{"operation": "replace"}}})
			}, ranges{rangeOf(0, 5, 9)}, Progress{srcOf(0): 9}, []schemas.Range{rangeOf(0, 5, 9)}, nil, nil, nil, 3,
		},
		{
			"expired progress is no progress of zero", func(_ *testing.T, m *memTable) { m.truncated = true },
			ranges{rangeOf(0, 0, 9)},
			nil, nil, nil, nil, ErrProgressExpired, 0,
		},
		{
			"a catalog that refuses is not asked again", func(_ *testing.T, m *memTable) { m.faults = first(fault{err: ErrRefused}) },
			ranges{rangeOf(0, 0, 9)},
			Progress{srcOf(0): 0},
			nil, nil, nil, ErrRefused, 0,
		},
		{
			"a catalog that stays away is given up", func(_ *testing.T, m *memTable) { m.loads = func() (time.Duration, error) { return 0, errFault } },
			ranges{rangeOf(0, 0, 9)},
			nil, nil, nil, nil, errFault, 0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memTable{id: "a"}
			c.prepare(t, m)
			out, err := Commit(t.Context(), m, c.wanted, optionsOf("x"))
			if !errors.Is(err, c.err) || len(m.snapshots) != c.made {
				t.Fatalf("%v, %d snapshots, want %v, %d", err, len(m.snapshots), c.err, c.made)
			}
			if !reflect.DeepEqual(out.Next, c.next) || !reflect.DeepEqual(out.Added, c.added) || !reflect.DeepEqual(out.Taken, c.taken) || !slices.Equal(out.Fenced, c.fenced) {
				t.Errorf("%+v, want %+v", out, c)
			}
		})
	}
}

func TestATableThatWasMadeAgainIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := open(t, w.config())
		if _, _, err := s.Resume(t.Context(), srcOf(0), 0); err != nil {
			t.Fatal(err)
		}
		w.table.mu.Lock()
		w.table.id = "b"
		w.table.mu.Unlock()
		outcome := make(chan error, 1)
		if err := s.Write(t.Context(), rangeOf(0, 0, 1), nil, func(err error) { outcome <- err }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(context.Background()); !errors.Is(err, ErrReplaced) || !errors.Is(<-outcome, ErrReplaced) {
			t.Errorf("closing gives %v", err)
		}
	})
}

func TestRowsOfAnotherModelAreRejected(t *testing.T) {
	w := newWorld()
	s := open(t, w.config())
	row := schemas.Row{Lineage: schemas.Lineage{Task: schemas.TaskEmbedding, ModelDigest: "other"}}
	rejection, ok := errors.AsType[*schemas.Rejection](s.Check(&row))
	if !ok || rejection.Reason != schemas.ReasonSinkReject {
		t.Errorf("%v", rejection)
	}
}
