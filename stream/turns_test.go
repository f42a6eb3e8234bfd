package stream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// load asks for turns without end on one partition, and holds each for a second.
func load(ctx context.Context, t *turns, p Partition, served *int) {
	for ctx.Err() == nil {
		back, err := t.take(ctx, context.Background(), p)
		if err != nil {
			return
		}
		*served++
		time.AfterFunc(time.Second, back)
	}
}

func TestTopicsOfLowerPrecedenceLiveOnWhatTheOthersLeave(t *testing.T) {
	live, bulk, rest := Partition{"live", 0}, Partition{"bulk", 0}, Partition{"rest", 0}
	// Within an instant the order of goroutines is the scheduler's: who asks a moment after a slot is given back finds it given to another. So the bounds are wide.
	for _, c := range []struct {
		name                string
		liveFor             time.Duration // how long there is something live to do
		first, second, last [2]int        // turns in 100 s: at least, at most
	}{
		{"nothing live: the others have the common half", 0, [2]int{0, 0}, [2]int{600, 800}, [2]int{1, 220}},
		{"live alone fills the slots, the others get alms", 100 * time.Second, [2]int{1250, 1580}, [2]int{10, 180}, [2]int{10, 180}},
		{"half the time", 50 * time.Second, [2]int{600, 800}, [2]int{300, 480}, [2]int{10, 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ts := newTurns(16, []Partition{live, bulk, rest}, []string{"live", "bulk"})
				ctx, stop := context.WithTimeout(t.Context(), 100*time.Second)
				defer stop()
				busy, idle := context.WithTimeout(ctx, c.liveFor)
				defer idle()
				var got [3]int
				go load(busy, ts, live, &got[0])
				go load(ctx, ts, bulk, &got[1])
				go load(ctx, ts, rest, &got[2])
				<-ctx.Done()
				time.Sleep(2 * time.Second) // everything is given back
				synctest.Wait()
				for i, want := range [][2]int{c.first, c.second, c.last} {
					if got[i] < want[0] || got[i] > want[1] {
						t.Errorf("turns of rank %d: %d, want %v (all: %v)", i, got[i], want, got)
					}
				}
				if ts.common.free != 8 || len(ts.own[live]) != 0 || len(ts.common.waiting) != 0 {
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
		var got [2]int
		go load(ctx, ts, a, &got[0])
		go load(ctx, ts, b, &got[1])
		<-ctx.Done()
		time.Sleep(2 * time.Second)
		if got[0] < 700 || got[1] < 700 || got[0]+got[1] > 1616 {
			t.Errorf("turns %v, want half of 1600 each", got)
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
	case <-second.granted:
	default:
		t.Error("the slot was lost")
	}
	c.leave(second)
	if c.free != 1 || len(c.waiting) != 0 {
		t.Errorf("%d free, %d waiting", c.free, len(c.waiting))
	}
}
