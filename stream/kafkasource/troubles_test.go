package kafkasource

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/stream"
)

// heard is what a source has told of its troubles.
type heard struct {
	mu     sync.Mutex
	last   error // nil: all is well
	most   int   // tries in a row
	overs  int
	errors int
}

func (h *heard) hear(tries int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.most = err, max(h.most, tries)
	if err == nil {
		h.overs++
	} else {
		h.errors++
	}
}

func (h *heard) fails() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.last != nil }

func (h *heard) counts() (errors, overs int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errors, h.overs
}

func TestBrokersThatAreAwayAreToldUntilTheyAreBack(t *testing.T) {
	inWorld(t, 2, 3, func(t *testing.T, w *world) {
		var told heard
		cfg := w.config()
		cfg.Told = told.hear
		m := w.join(cfg, newLedger(t))
		w.produce(0, 0, 3)
		eventually(t, "3 records", func() bool { return m.count() == 3 })
		if n, _ := told.counts(); n != 0 {
			t.Fatalf("%d failures are told of brokers that are well", n)
		}
		var away atomic.Bool
		away.Store(true)
		w.kafk.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafk.KeepControl()
			return nil, errBoom, away.Load() // closes the connection
		})
		eventually(t, "they are away", told.fails)
		time.Sleep(3 * time.Minute) // the assignment ends meanwhile, and what is asked for then is the group
		if n, overs := told.counts(); overs != 0 || n < 10 || m.owns() != 0 {
			t.Errorf("%d failures are told, and %d times that all is well; %d partitions are held", n, overs, m.owns())
		}
		away.Store(false)
		w.produce(1, 0, 3)
		eventually(t, "3 records more", func() bool { return m.count() >= 6 })
		eventually(t, "they are back", func() bool { return !told.fails() })
		m.leave(t)
	})
}

func TestBrokersThatAreAwayAtTheStartAreTold(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		var told heard
		cfg := w.config()
		cfg.Told = told.hear
		down := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "refs", Err: kerr.LeaderNotAvailable, Count: 2})
		m := w.join(cfg, newLedger(t))
		eventually(t, "it joins", func() bool { return m.owns() == 1 })
		if n, overs := told.counts(); n != 2 || overs != 1 || told.most != 2 {
			t.Errorf("%d failures, up to %d in a row, are told, and %d times that all is well; want 2, 2 and 1", n, told.most, overs)
		}
		down.Remove()
		m.leave(t)
	})
}

// A partition without a leader is the trouble of the member that has it, in any generation.
func TestAPartitionThatFailsIsATroubleOfWhoeverHasIt(t *testing.T) {
	inWorld(t, 2, 2, func(t *testing.T, w *world) {
		var told [2]heard
		var members [2]*member
		has := func(i int) bool {
			l := members[i].ledger
			l.mu.Lock()
			defer l.mu.Unlock()
			_, ok := l.mu.next[stream.Partition{Topic: "refs", ID: 1}]
			return ok && l.mu.c != nil
		}
		join := func(i int) {
			cfg := w.config()
			cfg.Told = told[i].hear
			members[i] = w.join(cfg, newLedger(t))
		}
		down := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "refs", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		join(0)
		eventually(t, "the first has it", func() bool { return has(0) && told[0].fails() })
		w.produce(0, 0, 3)
		eventually(t, "what has a leader is read", func() bool { return members[0].count() == 3 })
		time.Sleep(time.Minute)
		if _, overs := told[0].counts(); overs != 0 {
			t.Errorf("a partition that fails is told to be well %d times, as others are", overs)
		}
		join(1)
		eventually(t, "one each", func() bool { return members[0].owns() == 1 && members[1].owns() == 1 && has(0) != has(1) })
		for i := range told {
			eventually(t, "the trouble is told by who has the partition", func() bool { return told[i].fails() == has(i) })
		}
		keeper := 0
		if has(1) {
			keeper = 1
		}
		_, before := told[keeper].counts()
		members[1-keeper].leave(t)
		eventually(t, "it has all", func() bool { return members[keeper].owns() == 2 })
		time.Sleep(time.Minute)
		if _, overs := told[keeper].counts(); overs != before || !told[keeper].fails() {
			t.Errorf("a partition that fails in one generation and the next is told to be well %d times between", overs-before)
		}
		down.Remove()
		eventually(t, "it is well", func() bool { return !told[keeper].fails() })
		members[keeper].leave(t)
	})
}
