package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"vecmill/embed"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// TestEachRowGroupIsReadOnce has the originals in twelve files of several row groups, and copies that take turns among them, several at once: all are given, and each row group is read once.
func TestEachRowGroupIsReadOnce(t *testing.T) {
	const files, objects = 12, 3
	a := &archive{t: t, store: sinktest.NewMemStore()}
	long := strings.Repeat("long ", 300_000) // two rows of each object, so that a row group has a few
	for f := range files {
		var rows []schemas.Row
		for o := range int64(objects) {
			text := long
			if f > 0 {
				text = "short"
			}
			rows = append(rows, a.rows(o, fmt.Sprintf("c%d.%d", f, o), 4, text)...)
		}
		a.write(fmt.Sprint("t", f), 0, rows)
	}
	r, f := a.open()
	of := 0
	for _, parts := range f.parts {
		of += len(parts)
	}
	if len(f.names) != files || of <= files {
		t.Fatalf("%d row groups in %d files", of, len(f.names))
	}
	var mu sync.Mutex
	reads := map[groupAt]int{}
	read := f.groups.read
	f.groups.read = func(ctx context.Context, at groupAt) ([]schemas.Row, error) {
		mu.Lock()
		reads[at]++
		mu.Unlock()
		return read(ctx, at)
	}
	var all sync.WaitGroup
	for lane := range 4 {
		all.Go(func() {
			for o := range objects {
				for f := range files {
					content := fmt.Sprintf("c%d.%d", f, o)
					if got := a.give(r, content, schemas.Ref{ID: fmt.Sprint("copy", lane)}); len(got) != 8 || !strings.HasPrefix(got[7].Text, content) {
						t.Errorf("%s: %d rows", content, len(got))
					}
				}
			}
		})
	}
	all.Wait()
	if len(reads) != of {
		t.Errorf("%d row groups of %d were read", len(reads), of)
	}
	for at, n := range reads {
		if n != 1 {
			t.Errorf("row group %v was read %d times", at, n)
		}
	}
}

// TestWhoWaitsForARowGroup has two readers busy: a live record is read for next, before the backfill's that came first, who wants a group that is being read gets it, and whoever is told to stop waits no longer. Of a failure all hear who waited, and the next one tries again.
func TestWhoWaitsForARowGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var began []int
		goOn := map[int]chan error{1: make(chan error), 2: make(chan error), 3: make(chan error), 4: make(chan error)}
		s := newGroups(mostPastBytes, func(_ context.Context, at groupAt) ([]schemas.Row, error) {
			mu.Lock()
			began = append(began, at.group)
			mu.Unlock()
			return make([]schemas.Row, at.group), <-goOn[at.group]
		})
		var all sync.WaitGroup
		got := make([]error, 7)
		ask := func(ctx context.Context, i, group int, p embed.Priority) {
			all.Go(func() {
				var rows []schemas.Row
				if rows, got[i] = s.get(ctx, groupAt{0, group}, p); got[i] == nil && len(rows) != group {
					t.Errorf("%d rows of group %d", len(rows), group)
				}
			})
			synctest.Wait()
		}
		ctx, stop := context.WithCancel(t.Context())
		for i, group := range []int{1, 2, 3} {
			ask(t.Context(), i, group, embed.Backfill)
		}
		ask(t.Context(), 3, 4, embed.Live)
		ask(ctx, 4, 1, embed.Live)
		ask(t.Context(), 5, 2, embed.Live)
		ask(t.Context(), 6, 4, embed.Live)
		stop()
		synctest.Wait()
		if !errors.Is(got[4], context.Canceled) {
			t.Errorf("who was told to stop: %v", got[4])
		}
		failed := errors.New("busy")
		goOn[1] <- nil
		synctest.Wait()
		goOn[2] <- nil
		synctest.Wait()
		goOn[4] <- failed
		goOn[3] <- nil
		all.Wait()
		if !slices.Equal(began[2:], []int{4, 3}) {
			t.Errorf("they were read in the order %v", began)
		}
		for i, err := range got {
			want := map[int]error{3: failed, 4: context.Canceled, 6: failed}[i]
			if !errors.Is(err, want) {
				t.Errorf("question %d: %v, want %v", i, err, want)
			}
		}
		for i, group := range []int{1, 2, 3, 4} {
			ask(t.Context(), i, group, embed.Live)
		}
		goOn[4] <- nil
		all.Wait()
		if len(began) != 5 {
			t.Errorf("they were read in the order %v", began)
		}
	})
}

// TestRowGroupsTakeSoManyBytes keeps those that were asked for last, and a single one that is too large.
func TestRowGroupsTakeSoManyBytes(t *testing.T) {
	reads := 0
	s := newGroups(pastReaders*pastGroup+10_000, func(_ context.Context, at groupAt) ([]schemas.Row, error) {
		reads++
		return []schemas.Row{{Payload: schemas.Payload{Text: strings.Repeat("x", at.group)}}}, nil
	})
	for _, c := range []struct {
		group int
		read  bool
	}{{2000, true}, {2001, true}, {2002, true}, {2000, false}, {2003, true}, {2000, false}, {2001, true}, {50_000, true}, {50_000, false}, {2000, true}, {50_000, true}} {
		before := reads
		if _, err := s.get(t.Context(), groupAt{0, c.group}, embed.Live); err != nil || (reads > before) != c.read {
			t.Errorf("group %d: read: %v, %v", c.group, reads > before, err)
		}
		if s.mu.held > s.most && s.mu.kept.Len() > 1 || len(s.mu.all) != s.mu.kept.Len() {
			t.Errorf("%d bytes in %d groups of %d", s.mu.held, s.mu.kept.Len(), len(s.mu.all))
		}
	}
}

// TestRowGroupsCountAsMemory: in the heap's limit, in what a plan expects and in what the doctor says.
func TestRowGroupsCountAsMemory(t *testing.T) {
	for _, x := range []struct{ budget, want int64 }{{1 << 30, 256 << 20}, {64 << 30, 256 << 20}, {600 << 20, 150 << 20}, {16 << 20, 96 << 20}} {
		p := config.Pipeline{Name: "p", MemoryBudget: config.Bytes(x.budget)}
		c := &config.Config{Pipelines: []config.Pipeline{p, p}}
		without, peak := heapLimit(c), memoryOf(c, 1, nil).Peak
		c.Pipelines[1].ReuseOutputs = true
		if got := heapLimit(c) - without; got != x.want || memoryOf(c, 1, nil).Peak-peak != x.want {
			t.Errorf("with a budget of %d: %d bytes, want %d; a plan expects %d", x.budget, got, x.want, memoryOf(c, 1, nil).Peak-peak)
		}
		for have, grade := range map[int64]Grade{0: Doubt, heapLimit(c) / 2: Trouble, heapLimit(c) + 1<<20: Doubt, heapLimit(c) * 2: Sound} {
			machine := fstest.MapFS{}
			if have > 0 {
				machine["proc/meminfo"] = &fstest.MapFile{Data: fmt.Appendf(nil, "MemTotal: %d kB\n", have>>10)}
			}
			for _, reuse := range []bool{true, false} {
				var said Finding
				d := &doctor{c: &config.Config{Pipelines: slices.Clone(c.Pipelines)}, machine: machine, tell: func(f Finding) { said = f }}
				d.c.Pipelines[1].ReuseOutputs = reuse
				d.memory()
				if strings.Contains(said.Text, mib(x.want)+" of that are for row groups") != reuse || reuse && said.Grade != grade {
					t.Errorf("of %d bytes: %+v", have, said)
				}
			}
		}
	}
}

// TestAFaultOfTheStoreIsComputed: one request that fails is not repeated for the object at hand, and the next object asks again.
func TestAFaultOfTheStoreIsComputed(t *testing.T) {
	a := &archive{t: t, store: sinktest.NewMemStore()}
	a.write("t", 0, a.rows(0, "c0", 1, ""))
	r, _ := a.open()
	var left atomic.Int32
	left.Store(1)
	a.store.Faults = func(sinktest.Op) (f sinktest.Fault) {
		if left.Add(-1) >= 0 {
			f.Err = sinktest.ErrFault
		}
		return f
	}
	if got := a.give(r, "c0", schemas.Ref{ID: "new"}); got != nil || left.Load() != 0 {
		t.Errorf("%d rows, after %d requests", len(got), 1-left.Load())
	}
	if got := a.give(r, "c0", schemas.Ref{ID: "new"}); len(got) != 2 {
		t.Errorf("%d rows when the store answers again", len(got))
	}
}
