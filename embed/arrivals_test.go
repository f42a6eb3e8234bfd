package embed

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// Two workers bring windows. The one that waits for room has it when a batch is taken, though the other comes before it has woken.
func TestAWindowThatWaitsForRoomIsNotPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEngine(EngineConfig{
			Model: "m", Modality: schemas.Text, Preprocessor: 2, Batch: BatcherConfig{MaxCost: 100, MaxItems: 1, Window: 1},
		}, words{}, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		over, end := context.WithCancel(t.Context())
		end()
		number := func(at int) *window { return &window{job: &job{}, at: at, s: Sample{Cost: 1}} }
		pulled := func() int {
			b, _ := e.pull(&feeder{})
			if b == nil {
				return -1
			}
			return b.Items[0].at
		}
		if !e.add(t.Context(), number(0)) {
			t.Fatal("there was no room for the first")
		}
		first := make(chan bool)
		go func() { first <- e.add(t.Context(), number(1)) }()
		synctest.Wait()
		if got := pulled(); got != 0 {
			t.Fatalf("window %d was taken, want 0", got)
		}
		if e.add(over, number(2)) {
			t.Error("window 2 took the room that 1 waited for")
		}
		if !<-first {
			t.Error("window 1 did not come in")
		}
		if got := pulled(); got != 1 {
			t.Errorf("window %d was taken, want 1", got)
		}
		if got := pulled(); got != -1 {
			t.Errorf("window %d was taken, whose worker has gone", got)
		}
	})
}

// A worker whose context ends has brought its window in nonetheless if that was admitted before the worker could take it back: who drains the batcher settles it, once.
func TestAWindowThatIsAdmittedAsItsWorkerGoesIsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEngine(EngineConfig{
			Model: "m", Modality: schemas.Text, Preprocessor: 2, Batch: BatcherConfig{MaxCost: 100, MaxItems: 1, Window: 1},
		}, words{}, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if !e.add(ctx, &window{job: &job{}, s: Sample{Cost: 1}}) {
			t.Fatal("there was no room for the first")
		}
		second, in := &window{job: &job{}, at: 1, s: Sample{Cost: 1}}, make(chan bool)
		go func() { in <- e.add(ctx, second) }()
		synctest.Wait()
		e.mu.Lock()
		cancel() // it wakes, and waits for the lock
		first, _ := e.mu.batcher.Next(time.Now())
		e.admitLocked(Live)
		e.mu.Unlock()
		if !<-in {
			t.Error("its worker takes it for one that is not in")
		}
		if left := e.mu.batcher.Drain(); first == nil || len(left) != 1 || left[0] != second {
			t.Errorf("%d windows are drained behind %v, want the second alone", len(left), first)
		}
		if arrivals := len(e.mu.arrivals[Live]); arrivals != 0 {
			t.Errorf("%d windows still wait for room", arrivals)
		}
	})
}
