package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

// tombstone is a range of one offset that takes references away.
func tombstone(n int, at int64, refs ...string) schemas.Range {
	r := rangeOf(n, at, at+1)
	r.Skipped = []schemas.Span{r.Span}
	for _, ref := range refs {
		r.Deletes = append(r.Deletes, schemas.Deletion{Offset: at, RefID: ref})
	}
	return r
}

// rowsOn are rows of a reference, one for each offset.
func rowsOn(n int, ref string, offsets ...int64) (rows []schemas.Row) {
	for _, o := range offsets {
		r := sinktest.Row(srcOf(n), o, 0)
		r.Task, r.RefID, r.Payload = schemas.TaskEmbedding, ref, schemas.Payload{Vector: []float32{float32(o)}}
		r.RowID = schemas.RowID(&r.Lineage)
		rows = append(rows, r)
	}
	return rows
}

// step is a range for a sink, or, without one, a flush.
type step struct {
	r    schemas.Range
	rows []schemas.Row
}

// TestTombstonesTakeAwayWhatCameBefore writes sources with tombstones in every order, and reads which offsets have rows, and which the snapshots call gone.
func TestTombstonesTakeAwayWhatCameBefore(t *testing.T) {
	flush := step{}
	for _, c := range []struct {
		name   string
		change func(*world, *Config)
		steps  []step
		left   [2][]int64 // of each source, offsets with rows in the end
		gone   [2][]int64
		files  int // of positions
	}{
		{
			"in an earlier snapshot, in this one, and not what comes later", nil,
			[]step{
				{rangeOf(0, 0, 2), rowsOn(0, "a", 0, 1)},
				flush,
				{rangeOf(0, 2, 3), rowsOn(0, "a", 2)},
				{tombstone(0, 3, "a"), nil},
				{rangeOf(0, 4, 5), rowsOn(0, "a", 4)},
				flush,
				{rangeOf(0, 5, 6), rowsOn(0, "a", 5)},
			},
			[2][]int64{{4, 5}},
			[2][]int64{{0, 1, 2}},
			1,
		},
		{
			"of this source and this reference alone", nil,
			[]step{
				{rangeOf(0, 0, 2), append(rowsOn(0, "a", 0), rowsOn(0, "b", 1)...)},
				{rangeOf(1, 0, 1), rowsOn(1, "a", 0)},
				flush,
				{tombstone(0, 2, "a", "never seen"), nil},
			},
			[2][]int64{{1}, {0}},
			[2][]int64{{0}},
			1,
		},
		{
			"once, however often it is said", nil,
			[]step{
				{rangeOf(0, 0, 1), rowsOn(0, "a", 0)},
				flush,
				{tombstone(0, 1, "a"), nil},
				flush,
				{tombstone(0, 2, "a"), nil},
				flush,
				{rangeOf(0, 3, 4), rowsOn(0, "a", 3)},
				{tombstone(0, 4, "a"), nil},
				flush,
				{tombstone(0, 5, "a"), nil},
				{tombstone(0, 6, "a"), nil},
			},
			[2][]int64{},
			[2][]int64{{0, 3}},
			1,
		},
		{
			"from each partition of the table", func(w *world, _ *Config) {
				w.table.partition = func(_ string, r *schemas.Row) (Tuple, error) { return Tuple{Path: fmt.Sprint("odd=", r.Offset%2)}, nil }
			},
			[]step{
				{rangeOf(0, 0, 4), append(rowsOn(0, "a", 0, 1), rowsOn(0, "b", 2, 3)...)},
				flush,
				{rangeOf(0, 4, 5), rowsOn(0, "a", 4)},
				{tombstone(0, 5, "a"), nil},
			},
			[2][]int64{{2, 3}},
			[2][]int64{{0, 1, 4}},
			2,
		},
		{
			"with an id that is no text", nil,
			[]step{{rangeOf(0, 0, 1), rowsOn(0, "a\xff", 0)}, flush, {rangeOf(0, 1, 2), rowsOn(0, "a\xff", 1)}, {tombstone(0, 2, "a\xff"), nil}},
			[2][]int64{},
			[2][]int64{{0, 1}},
			1,
		},
		{
			"nothing where rows are kept", func(_ *world, c *Config) { c.KeepDeleted = true },
			[]step{{rangeOf(0, 0, 1), rowsOn(0, "a", 0)}, flush, {rangeOf(0, 1, 2), rowsOn(0, "a", 1)}, {tombstone(0, 2, "a"), nil}},
			[2][]int64{{0, 1}},
			[2][]int64{},
			0,
		},
		{
			"though every second answer of the catalog is lost", func(w *world, _ *Config) {
				w.table.faults = func(n int) fault { return fault{err: map[bool]error{true: errFault}[n%2 == 1], land: n%4 == 1} }
			},
			[]step{
				{rangeOf(0, 0, 1), rowsOn(0, "a", 0)}, flush, {tombstone(0, 1, "a"), nil}, flush, {rangeOf(0, 2, 3), rowsOn(0, "a", 2)}, flush, {tombstone(0, 3, "a"), nil},
			},
			[2][]int64{},
			[2][]int64{{0, 2}},
			2,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				conf := w.config()
				if c.change != nil {
					c.change(w, &conf)
				}
				s := open(t, conf)
				for n := range 2 {
					if _, _, err := s.Resume(t.Context(), srcOf(n), 0); err != nil {
						t.Fatal(err)
					}
				}
				for _, x := range c.steps {
					err := error(nil)
					if x.r.Len() == 0 {
						err = s.Flush(t.Context())
					} else {
						err = s.Write(t.Context(), x.r, x.rows, func(err error) {
							if err != nil {
								t.Error(err)
							}
						})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				files := 0
				for i := range w.table.snapshots {
					files += len(w.table.snapshots[i].Deletes)
				}
				if files != c.files {
					t.Errorf("%d files of positions, want %d", files, c.files)
				}
				for n := range 2 {
					if left, gone := w.left(t, n); !slices.Equal(left, c.left[n]) || !slices.Equal(gone, c.gone[n]) {
						t.Errorf("source %d has rows at %v, and %v are gone; want %v and %v", n, left, gone, c.left[n], c.gone[n])
					}
				}
			})
		})
	}
}

// left are the offsets of a source that have rows, and those that the snapshots call gone.
func (w *world) left(t *testing.T, n int) (left, gone []int64) {
	t.Helper()
	a, err := w.read(srcOf(n))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.Rows {
		left = append(left, r.Offset)
	}
	for _, s := range w.table.snapshots {
		o, err := s.Gone()
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range o[srcOf(n)] {
			for at := span.First; at < span.Next; at++ {
				gone = append(gone, at)
			}
		}
	}
	slices.Sort(left)
	slices.Sort(gone)
	return left, gone
}

// counting counts the reads of a store by object.
type counting struct {
	Store
	mu    *sync.Mutex
	reads map[string]int
	bytes map[string]int64
}

func (c counting) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	c.mu.Lock()
	c.reads[name]++
	c.bytes[name] += n
	c.mu.Unlock()
	return c.Store.Read(ctx, name, off, n)
}

// racing is a table in which something else happens before each commit.
type racing struct {
	Table
	before func()
}

func (r racing) Append(ctx context.Context, v View, d Delta, summary map[string]string) error {
	r.before()
	return r.Table.Append(ctx, v, d, summary)
}

// TestACommitThatLosesARaceLooksIntoNoFileTwice lets another writer come first, three times.
func TestACommitThatLosesARaceLooksIntoNoFileTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		first := open(t, w.config())
		if _, _, err := first.Resume(t.Context(), srcOf(0), 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(first.Write(t.Context(), rangeOf(0, 0, 1), rowsOn(0, "a", 0), func(error) {}), first.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		old := nameIn(w.table.snapshots[0].Data[0].URL)
		c, mu, reads := w.config(), &sync.Mutex{}, map[string]int{}
		c.Files = func(_ context.Context, url string) (Store, string, error) {
			return counting{w.store, mu, reads, map[string]int64{}}, nameIn(url), nil
		}
		other := open(t, w.config())
		if _, _, err := other.Resume(t.Context(), srcOf(1), 0); err != nil {
			t.Fatal(err)
		}
		races, before := 0, 0
		c.Table = racing{w.table, func() {
			if races++; races > 3 {
				return
			}
			if races == 1 {
				before = reads[old]
			}
			if err := errors.Join(other.Write(t.Context(), rangeOf(1, int64(races-1), int64(races)), rowsOn(1, "a", int64(races-1)), func(error) {}), other.Flush(t.Context())); err != nil {
				t.Error(err)
			}
		}}
		s := open(t, c)
		if _, _, err := s.Resume(t.Context(), srcOf(0), 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Write(t.Context(), tombstone(0, 1, "a"), nil, func(error) {}), s.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if races != 4 || before == 0 || reads[old] != before {
			t.Errorf("%d tries; the old file was read %d times, %d before the first race was lost", races, reads[old], before)
		}
		if left, gone := w.left(t, 0); len(left) > 0 || !slices.Equal(gone, []int64{0}) {
			t.Errorf("rows at %v, %v are gone", left, gone)
		}
		if left, gone := w.left(t, 1); len(left) != 3 || len(gone) > 0 {
			t.Errorf("the other source has rows at %v, and %v are gone", left, gone)
		}
		if err := errors.Join(first.Close(t.Context()), other.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWhatTombstonesTookIsRecalledAsSkippedWithTheTombstones asks for all that was written.
func TestWhatTombstonesTookIsRecalledAsSkippedWithTheTombstones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := open(t, w.config())
		if _, _, err := s.Resume(t.Context(), srcOf(0), 0); err != nil {
			t.Fatal(err)
		}
		write := func(r schemas.Range, rows []schemas.Row) {
			t.Helper()
			if err := errors.Join(s.Write(t.Context(), r, rows, func(error) {}), s.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		write(rangeOf(0, 0, 3), append(rowsOn(0, "a", 0, 2), rowsOn(0, "b", 1)...))
		write(tombstone(0, 3, "a"), nil)
		var told []schemas.Range
		var left []int64
		recall := func(next int64) error {
			told, left = nil, nil
			return s.Recall(t.Context(), srcOf(0), schemas.Span{Next: next}, func(r schemas.Range, rows []schemas.Row) error {
				told = append(told, r)
				for i := range rows {
					left = append(left, rows[i].Offset)
				}
				return nil
			})
		}
		if err := recall(4); err != nil || len(told) != 2 || !slices.Equal(left, []int64{1}) {
			t.Fatalf("%+v, rows at %v: %v", told, left, err)
		}
		if want := []schemas.Span{{First: 0, Next: 1}, {First: 2, Next: 3}}; !slices.Equal(told[0].Skipped, want) || !slices.Equal(told[1].Deletes, []schemas.Deletion{{Offset: 3, RefID: "a"}}) {
			t.Errorf("%+v", told)
		}
		many := rangeOf(0, 4, 4004)
		many.Skipped = []schemas.Span{many.Span}
		for o := many.First; o < many.Next; o++ {
			many.Deletes = append(many.Deletes, schemas.Deletion{Offset: o, RefID: fmt.Sprintf("%x", o*o*7919*104729)})
		}
		write(many, nil)
		if n := len(w.table.snapshots[2].Summary[rangesKey]) + len(w.table.snapshots[2].Summary[tombstonesKey]); n > 1000 {
			t.Errorf("four thousand tombstones take %d bytes of the metadata", n)
		}
		if err := recall(4004); !errors.Is(err, sinks.ErrNotRecalled) || len(told) != 2 {
			t.Errorf("more tombstones than a summary names: %d ranges, %v", len(told), err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAFileWithoutARowIsReadForItsIdsAlone counts what a tombstone costs that names nothing in a file of two row groups.
func TestAFileWithoutARowIsReadForItsIdsAlone(t *testing.T) {
	w := newWorld()
	c, reads, bytes := w.config(), map[string]int{}, map[string]int64{}
	c.Tasks = []schemas.Task{schemas.TaskEmbedding}
	c.Files = func(_ context.Context, url string) (Store, string, error) {
		return counting{w.store, &sync.Mutex{}, reads, bytes}, nameIn(url), nil // one file is looked into at a time
	}
	s := open(t, c)
	if _, _, err := s.Resume(t.Context(), srcOf(0), 0); err != nil {
		t.Fatal(err)
	}
	const n = 70_000
	rows := make([]schemas.Row, n)
	row := rowsOn(0, "", 0)[0]
	for i := range rows {
		rows[i] = row
		rows[i].Offset, rows[i].RefID, rows[i].RowID, rows[i].Vector = int64(i), fmt.Sprintf("object-%08d-%032d", i*7919%n, i), fmt.Sprintf("%032d", i), make([]float32, 32)
	}
	if err := errors.Join(s.Write(t.Context(), rangeOf(0, 0, n), rows, func(error) {}), s.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	f := w.table.snapshots[0].Data[0]
	if err := errors.Join(s.Write(t.Context(), tombstone(0, n, "object-"), nil, func(error) {}), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got, most := bytes[nameIn(f.URL)], int64(n*(16+32)*3/2); reads[nameIn(f.URL)] > 5 || got > most {
		t.Errorf("%d requests for %d bytes of a file of %d; want 5 for two row groups, and %d at most", reads[nameIn(f.URL)], got, f.Bytes, most)
	}
	t.Logf("%d requests for %d bytes of a file of %d", reads[nameIn(f.URL)], bytes[nameIn(f.URL)], f.Bytes)
}
