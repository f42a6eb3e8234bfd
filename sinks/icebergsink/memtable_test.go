package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
)

var (
	errFault    = errors.New("fault")
	errConflict = errors.New("branch main has changed")
)

// fault is what happens to one append.
type fault struct {
	delay     time.Duration
	err       error
	land      bool          // although it fails
	landAfter time.Duration // later than that
}

// memTable is a table with compare-and-swap and faults.
type memTable struct {
	mu        sync.Mutex
	id        string
	snapshots []memSnapshot
	faults    func(n int) fault // of the nth append; nil: none
	loads     func() (time.Duration, error)
	appends   int
	truncated bool
	blind     bool              // it does not compare
	store     objectstore.Store // of the files
	partition func(string, *schemas.Row) (Tuple, error)
}

type memSnapshot struct {
	Snapshot
	Delta
}

func (m *memTable) Close() error { return nil }

func (m *memTable) Load(ctx context.Context) (View, error) {
	m.mu.Lock()
	loads := m.loads
	m.mu.Unlock()
	if loads != nil {
		delay, err := loads()
		if err := errors.Join(wait(ctx, delay), err); err != nil {
			return View{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v := View{ID: m.id, Truncated: m.truncated, Dir: "mem://data", FieldID: fieldID, Partition: m.partition}
	for i := len(m.snapshots) - 1; i >= 0; i-- {
		v.Ancestors = append(v.Ancestors, m.snapshots[i].Snapshot)
	}
	return v, nil
}

// fieldID numbers any path.
func fieldID(path string) (int, bool) {
	n := 1
	for _, b := range []byte(path) {
		n = (n*31 + int(b)) & 0xffffff
	}
	return n, true
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memTable) Append(ctx context.Context, v View, d Delta, summary map[string]string) error {
	m.mu.Lock()
	m.appends++
	f := fault{}
	if m.faults != nil {
		f = m.faults(m.appends)
	}
	m.mu.Unlock()
	base := int64(0)
	if len(v.Ancestors) > 0 {
		base = v.Ancestors[0].ID
	}
	if err := wait(ctx, f.delay); err != nil {
		if f.land {
			_ = m.swap(base, d, summary)
		}
		return err
	}
	switch {
	case f.err == nil:
		return m.swap(base, d, summary)
	case f.land && f.landAfter > 0:
		time.AfterFunc(f.landAfter, func() { _ = m.swap(base, d, summary) })
	case f.land:
		_ = m.swap(base, d, summary)
	}
	return f.err
}

func (m *memTable) swap(base int64, d Delta, summary map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if int64(len(m.snapshots)) != base && !m.blind {
		return errConflict
	}
	m.snapshots = append(m.snapshots, memSnapshot{Snapshot{int64(len(m.snapshots)) + 1, summary}, Delta{slices.Clone(d.Data), slices.Clone(d.Deletes)}})
	return nil
}

// Candidates implements Table: all data files.
func (m *memTable) Candidates(_ context.Context, v View, _ []Tombstone) (all []Candidate, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var deletes []string
	for _, s := range m.snapshots[:len(v.Ancestors)] {
		for _, f := range s.Deletes {
			deletes = append(deletes, f.URL)
		}
	}
	for _, s := range m.snapshots[:len(v.Ancestors)] {
		for _, f := range s.Data {
			all = append(all, Candidate{f.URL, f.Bytes, f.Tuple, deletes})
		}
	}
	return all, nil
}

// gone are the positions in data files that are deleted, by the files' URLs. None is deleted twice.
func (m *memTable) gone(ctx context.Context, snapshots []memSnapshot) (map[string]map[int64]bool, error) {
	all := map[string]map[int64]bool{}
	for _, s := range snapshots {
		for _, f := range s.Deletes {
			body, err := m.store.Read(ctx, nameIn(f.URL), 0, f.Bytes)
			if err != nil {
				return nil, err
			}
			some, err := ReadPositions(body)
			if err != nil {
				return nil, err
			}
			for url, gone := range some {
				for pos := range gone {
					if all[url][pos] {
						return nil, fmt.Errorf("%s deletes row %d of %s again", f.URL, pos, url)
					}
				}
				if all[url] == nil {
					all[url] = map[int64]bool{}
				}
				maps.Copy(all[url], gone)
			}
		}
	}
	return all, nil
}

// Rows implements Table: the rows of the files in m.store.
func (m *memTable) Rows(ctx context.Context, v View, src schemas.SourceID, in schemas.Span) (rows []schemas.Row, err error) {
	m.mu.Lock()
	snapshots := slices.Clone(m.snapshots[:len(v.Ancestors)])
	m.mu.Unlock()
	gone, err := m.gone(ctx, snapshots)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, f := range s.Data {
			body, err := m.store.Read(ctx, nameIn(f.URL), 0, f.Bytes)
			if err != nil {
				return nil, err
			}
			some, err := ReadRows(ctx, body, src, in, gone[f.URL])
			if err != nil {
				return nil, err
			}
			rows = append(rows, some...)
		}
	}
	return rows, nil
}

// account is what the snapshots say of a source: their ranges, which must follow each other, and their files.
func (m *memTable) ranges(src schemas.SourceID) (all []schemas.Range, files []File, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := int64(0)
	for _, s := range m.snapshots {
		ranges, err := s.Ranges()
		if err != nil {
			return nil, nil, err
		}
		for _, r := range ranges {
			if r.Source != src {
				continue
			}
			if r.First != next {
				return nil, nil, fmt.Errorf("snapshot %d adds offsets from %d on, and the table ended at %d", s.ID, r.First, next)
			}
			next, all = r.Next, append(all, r)
		}
		for _, f := range s.Data {
			if slices.ContainsFunc(files, func(g File) bool { return g.URL == f.URL }) {
				return nil, nil, fmt.Errorf("snapshot %d adds %s again", s.ID, f.URL)
			}
			files = append(files, f)
		}
	}
	return all, files, nil
}

func nameIn(url string) string { return strings.TrimPrefix(url, "mem://") }
