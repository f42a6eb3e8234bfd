package stream

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// askers is how many ask for turns of one partition: more than there are slots, so that somebody waits at every moment, whatever the order in which the scheduler takes them.
const askers = 20

// load has turns of one partition asked for without end, and holds each for a second.
func load(ctx context.Context, t *turns, p Partition, served *atomic.Int64) {
	for range askers {
		go func() {
			for ctx.Err() == nil {
				back, err := t.take(ctx, context.Background(), p)
				if err != nil {
					return
				}
				served.Add(1)
				time.Sleep(time.Second)
				back()
			}
		}()
	}
}

func TestTopicsOfLowerPrecedenceLiveOnWhatTheOthersLeave(t *testing.T) {
	live, bulk, rest := Partition{"live", 0}, Partition{"bulk", 0}, Partition{"rest", 0}
	// 8 slots are live's own, 8 common; each turn takes a second, and every 16th common one goes to who waits behind.
	for _, c := range []struct {
		name                string
		liveFor             time.Duration // how long there is something live to do
		first, second, last [2]int64      // turns in 100 s: at least, at most
	}{
		{"nothing live: the others have the common half", 0, [2]int64{0, 0}, [2]int64{720, 780}, [2]int64{30, 80}},
		{"live alone fills the slots, the others get alms", 100 * time.Second, [2]int64{1500, 1600}, [2]int64{10, 60}, [2]int64{10, 60}},
		{"half the time", 50 * time.Second, [2]int64{750, 820}, [2]int64{360, 420}, [2]int64{20, 70}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ts := newTurns(16, []Partition{live, bulk, rest}, []string{"live", "bulk"})
				ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
				defer stop()
				busy, idle := context.WithTimeout(ctx, c.liveFor)
				defer idle()
				var got [3]atomic.Int64
				load(busy, ts, live, &got[0])
				load(ctx, ts, bulk, &got[1])
				load(ctx, ts, rest, &got[2])
				<-ctx.Done()
				time.Sleep(2 * time.Second) // everything is given back
				synctest.Wait()
				for i, want := range [][2]int64{c.first, c.second, c.last} {
					if n := got[i].Load(); n < want[0] || n > want[1] {
						t.Errorf("turns of rank %d: %d, want %v", i, n, want)
					}
				}
				if ts.common.free != 8 || len(ts.own[live]) != 0 || waits(&ts.common) {
					t.Errorf("%d common and %d own slots were not given back", 8-ts.common.free, len(ts.own[live]))
				}
			})
		})
	}
}

func TestWithoutPrecedenceEveryPartitionHasItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Partition{"a", 0}, Partition{"b", 0}
		ts := newTurns(16, []Partition{a, b}, nil)
		ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
		defer stop()
		var got [2]atomic.Int64
		load(ctx, ts, a, &got[0])
		load(ctx, ts, b, &got[1])
		<-ctx.Done()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if a, b := got[0].Load(), got[1].Load(); a < 700 || b < 700 || a+b > 1616 {
			t.Errorf("turns %d and %d, want half of 1600 each", a, b)
		}
	})
}

// A request that is taken back as its slot is granted passes the slot on.
func TestASlotIsNeverLostToAWaiterThatLeaves(t *testing.T) {
	c := commons{}
	first, second := c.ask(0), c.ask(1)
	c.back()
	c.leave(first)
	select {
	case <-second.Granted():
	default:
		t.Error("the slot was lost")
	}
	c.leave(second)
	if c.free != 1 || waits(&c) {
		t.Errorf("%d free, somebody waits: %t", c.free, waits(&c))
	}
}

// waits says whether somebody waits for a common slot.
func waits(c *commons) bool {
	_, somebody := c.line.First()
	return somebody
}
