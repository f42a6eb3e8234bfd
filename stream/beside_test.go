package stream_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/stream/streamtest"
)

// rowStore keeps rows by id and nothing of offsets, as most servers do.
type rowStore struct {
	mu struct {
		sync.Mutex
		rows map[string]schemas.Row
		puts int
	}
}

// process is a rowStore as one process sees it.
type process struct {
	*streamtest.Process
	to *rowStore
}

func (p process) Put(_ context.Context, b deliver.Batch) error {
	return p.Effect(func() error {
		p.to.mu.Lock()
		defer p.to.mu.Unlock()
		p.to.mu.puts++
		for _, r := range b.Upserts() {
			p.to.mu.rows[r.RowID] = *r
		}
		return nil
	})
}

func (p process) Close() error { return nil }

// beside is a sink at least once next to the chain.
func (w *world) beside(p *streamtest.Process, chain sinks.Sink) sinks.Sink {
	c := deliver.NewDefaultConfig()
	c.Name, c.BatchRows, c.BatchAge = "rows", 5, 10*time.Millisecond
	c.Retry = retry.Policy{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond}
	rows, err := deliver.New(c, process{p, w.rows})
	if err != nil {
		w.t.Fatal(err)
	}
	tee, err := sinks.NewTee(nil, sinks.Member{Name: "rows", Sink: rows}, sinks.Member{Name: "chain", Sink: chain})
	if err != nil {
		w.t.Fatal(err)
	}
	return tee
}

// checkRows holds the second output to the first: the same rows, from the same offsets.
func (w *world) checkRows() {
	w.t.Helper()
	want := map[string]string{}
	for _, p := range w.log.Partitions() {
		out, err := readChain(w.store, w.source(p))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range out.Rows {
			want[r.RowID] = fmt.Sprint(r.Partition, r.Offset, r.Window, r.CreatedAt.UnixMicro())
		}
	}
	got := map[string]string{}
	for id, r := range w.rows.mu.rows {
		got[id] = fmt.Sprint(r.Partition, r.Offset, r.Window, r.CreatedAt.UnixMicro())
	}
	if !maps.Equal(got, want) {
		for _, id := range slices.Sorted(maps.Keys(want)) {
			if got[id] != want[id] {
				w.t.Errorf("seed %d: the chain has %q, the other output %q", w.seed, want[id], got[id])
			}
		}
		w.t.Fatalf("seed %d: %d rows in the chain, %d in the other output", w.seed, len(want), len(got))
	}
}

// TestACrashBesideAnOutputAtLeastOnceRepeatsNothingInTheChain kills the process at each of its effects, those of the second output among them. The chain
// must keep every offset once, and the other must have exactly the chain's rows, computed at the chain's time: what it missed was copied, not computed again.
func TestACrashBesideAnOutputAtLeastOnceRepeatsNothingInTheChain(t *testing.T) {
	crashes := 0
	for seed := range uint64(2) {
		for at := 1; ; at++ {
			crashed := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, 2, 30)
				w.rows = &rowStore{}
				w.rows.mu.rows = map[string]schemas.Row{}
				wk := w.start("a", at)
				w.log.Rebalance()
				for !wk.Crashed() && !w.finished() {
					time.Sleep(time.Millisecond)
				}
				if crashed = wk.Crashed(); crashed {
					<-wk.done
					wk = w.start("b", 0)
					w.log.Rebalance()
					w.settle(wk)
				}
				wk.stop()
				w.wg.Wait()
				if wk.err != nil {
					t.Fatalf("seed %d, crash at effect %d: %v", seed, at, wk.err)
				}
				w.check()
				w.checkRows()
			})
			if !crashed || t.Failed() {
				break
			}
			crashes++
		}
	}
	t.Logf("%d crashes", crashes)
	if crashes < 50 {
		t.Fatalf("only %d crash points", crashes)
	}
}
