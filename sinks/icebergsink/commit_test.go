package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
)

var (
	errFault    = errors.New("fault")
	errConflict = errors.New("branch main has changed")
)

// memTable is a table with compare-and-swap and faults.
type memTable struct {
	mu        sync.Mutex
	snapshots []memSnapshot
	appendErr func(n int) (land bool, err error) // of the nth append; nil: none
	loadErr   func() error
	appends   int
	truncated bool
	late      func() // an append that is still under way
}

type memSnapshot struct {
	Snapshot
	files []string
}

func (m *memTable) Load(context.Context) (View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loadErr != nil {
		if err := m.loadErr(); err != nil {
			return View{}, err
		}
	}
	v := View{Truncated: m.truncated}
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		v.Ancestors = append(v.Ancestors, m.snapshots[i].Snapshot)
	}
	return v, nil
}

func (m *memTable) Append(_ context.Context, v View, files []string, summary map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appends++
	land, err := true, error(nil)
	if m.appendErr != nil {
		land, err = m.appendErr(m.appends)
	}
	base := int64(0)
	if len(v.Ancestors) > 0 {
		base = v.Ancestors[0].ID
	}
	if !land {
		m.late = func() { _ = m.swap(base, files, summary) }
		return err
	}
	return errors.Join(m.swap(base, files, summary), err)
}

func (m *memTable) swap(base int64, files []string, summary map[string]string) error {
	if int64(len(m.snapshots)) != base {
		return errConflict
	}
	m.snapshots = append(m.snapshots, memSnapshot{Snapshot{base + 1, summary}, files})
	return nil
}

func sourceOf(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "p", Topic: "a topic", Partition: n}
}

func changeOf(n int, first, next int64, nonce string) *Change {
	return &Change{schemas.Range{Source: sourceOf(n), Span: schemas.Span{First: first, Next: next}}, []string{nonce + ".parquet"}, nonce}
}

func quick(attempts int) retry.Policy { return retry.Policy{Attempts: attempts} }

func mustCommit(t *testing.T, m *memTable, c *Change, want Outcome) {
	t.Helper()
	if got, err := Commit(t.Context(), quick(9), m, c); err != nil || got != want {
		t.Fatalf("%+v, %v, want %+v", got, err, want)
	}
}

func TestCommit(t *testing.T) {
	lostAnswer := func(n int) (bool, error) { return true, map[bool]error{true: errFault}[n == 1] }
	neverLanded := func(n int) (bool, error) { return n > 1, map[bool]error{true: errFault}[n == 1] }
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *memTable)
		change  *Change
		want    Outcome
		err     error
		made    int // snapshots in the end
	}{
		{"the first range of a source may begin anywhere", func(*testing.T, *memTable) {}, changeOf(0, 7, 9, "x"), Outcome{9, true}, nil, 1},
		{"a commit that landed and looked failed is found and not repeated", func(_ *testing.T, m *memTable) { m.appendErr = lostAnswer }, changeOf(0, 0, 9, "x"), Outcome{9, true}, nil, 1},
		{"a commit that did not land is repeated", func(_ *testing.T, m *memTable) { m.appendErr = neverLanded }, changeOf(0, 0, 9, "x"), Outcome{9, true}, nil, 1},
		{"a try that lands late fights with the next one, and one of them is in", func(_ *testing.T, m *memTable) {
			m.appendErr = func(n int) (bool, error) {
				if n == 2 {
					m.late()
				}
				return neverLanded(n)
			}
		}, changeOf(0, 0, 9, "x"), Outcome{9, true}, nil, 1},
		{"a landed commit is found behind a compaction", func(t *testing.T, m *memTable) {
			mustCommit(t, m, changeOf(0, 0, 9, "x"), Outcome{9, true})
			m.snapshots = append(m.snapshots, memSnapshot{Snapshot: Snapshot{2, map[string]string{"operation": "replace"}}})
		}, changeOf(0, 0, 9, "x"), Outcome{9, true}, nil, 2},
		{"a landed commit is found behind the successor's", func(t *testing.T, m *memTable) {
			mustCommit(t, m, changeOf(0, 0, 9, "x"), Outcome{9, true})
			mustCommit(t, m, changeOf(0, 9, 12, "y"), Outcome{12, true})
		}, changeOf(0, 0, 9, "x"), Outcome{12, true}, nil, 2},
		{"a zombie adds nothing", func(t *testing.T, m *memTable) { mustCommit(t, m, changeOf(0, 0, 5, "y"), Outcome{5, true}) }, changeOf(0, 0, 9, "x"), Outcome{5, false}, nil, 1},
		{"a gap is fenced", func(t *testing.T, m *memTable) { mustCommit(t, m, changeOf(0, 0, 5, "y"), Outcome{5, true}) }, changeOf(0, 6, 9, "x"), Outcome{}, sinks.ErrFenced, 1},
		{"another source does not disturb", func(t *testing.T, m *memTable) { mustCommit(t, m, changeOf(1, 0, 50, "y"), Outcome{50, true}) }, changeOf(0, 0, 9, "x"), Outcome{9, true}, nil, 2},
		{"expired progress is no progress of zero", func(_ *testing.T, m *memTable) { m.truncated = true }, changeOf(0, 0, 9, "x"), Outcome{}, ErrProgressExpired, 0},
		{"a catalog that stays away is given up", func(_ *testing.T, m *memTable) { m.loadErr = func() error { return errFault } }, changeOf(0, 0, 9, "x"), Outcome{}, errFault, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memTable{}
			c.prepare(t, m)
			got, err := Commit(t.Context(), quick(9), m, c.change)
			if !errors.Is(err, c.err) || got != c.want || len(m.snapshots) != c.made {
				t.Errorf("%+v, %v, %d snapshots, want %+v, %v, %d", got, err, len(m.snapshots), c.want, c.err, c.made)
			}
		})
	}
}

func TestACatalogThatRefusesIsNotAskedAgain(t *testing.T) {
	m := &memTable{}
	m.appendErr = func(int) (bool, error) { return false, ErrRefused }
	if _, err := Commit(t.Context(), quick(9), m, changeOf(0, 0, 9, "x")); !errors.Is(err, ErrRefused) || m.appends != 1 {
		t.Errorf("%d appends: %v", m.appends, err)
	}
	m, loads := &memTable{}, 0
	m.loadErr = func() error { loads++; return ErrRefused }
	if _, err := Commit(t.Context(), quick(9), m, changeOf(0, 0, 9, "x")); !errors.Is(err, ErrRefused) || loads != 1 {
		t.Errorf("%d loads: %v", loads, err)
	}
}

func TestAChangeThatNamesNothingIsRefused(t *testing.T) {
	for _, c := range []*Change{changeOf(0, 0, 1, ""), changeOf(0, 1, 1, "x"), changeOf(0, -1, 1, "x")} {
		m := &memTable{}
		if _, err := Commit(t.Context(), quick(1), m, c); err == nil || len(m.snapshots) > 0 {
			t.Errorf("%+v was taken: %v", c, err)
		}
	}
}

// TestWritersUnderFaultsCoverEveryOffsetOnce has two owners each of three sources, who lose answers, requests and races.
func TestWritersUnderFaultsCoverEveryOffsetOnce(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := &memTable{}
		m.appendErr = func(int) (bool, error) {
			if m.late != nil && rng.IntN(3) == 0 {
				m.late()
			}
			switch rng.IntN(4) {
			case 0:
				return false, errFault // may land late
			case 1:
				return true, errFault // the answer is lost
			}
			return true, nil
		}
		const end = 60
		var wg sync.WaitGroup
		for w := range 6 {
			lengths := rand.New(rand.NewPCG(seed, uint64(w+1)))
			wg.Go(func() {
				for next := int64(0); next < end; {
					c := changeOf(w/2, next, min(next+1+lengths.Int64N(9), end), fmt.Sprintf("%d-%d", w, next))
					o, err := Commit(context.Background(), quick(1000), m, c)
					if err != nil {
						t.Errorf("seed %d: %v", seed, err)
						return
					}
					next = o.Next
				}
			})
		}
		wg.Wait()
		m.late = nil
		next, seen := map[schemas.SourceID]int64{}, map[string]bool{}
		for _, s := range m.snapshots {
			r, ok, err := s.Range()
			if err != nil || !ok || r.First != next[r.Source] || seen[s.files[0]] {
				t.Fatalf("seed %d: snapshot %d: %+v, %v, %v; the source is at %d, files %v", seed, s.ID, r, ok, err, next[r.Source], s.files)
			}
			next[r.Source], seen[s.files[0]] = r.Next, true
		}
		for n := range 3 {
			if next[sourceOf(n)] != end {
				t.Fatalf("seed %d: source %d ends at %d", seed, n, next[sourceOf(n)])
			}
		}
	}
}
