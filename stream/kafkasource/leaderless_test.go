package kafkasource

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func count(m *member, prefix string) (n int) {
	for _, v := range m.values() {
		if strings.HasPrefix(v, prefix) {
			n++
		}
	}
	return n
}

func TestAPartitionWithoutALeaderHoldsUpOnlyItself(t *testing.T) {
	leaderless := func(keys ...kmsg.Key) kfake.Fault {
		return kfake.Fault{Keys: keys, Topic: "refs", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1}
	}
	for name, fault := range map[string]kfake.Fault{
		"its offsets and records are not to be had": leaderless(kmsg.ListOffsets, kmsg.Fetch),
		"nor is its place in the metadata":          leaderless(kmsg.ListOffsets, kmsg.Fetch, kmsg.Metadata),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, 3, func(t *testing.T, w *world) {
				for p := range 3 {
					w.produce(p, 0, 5)
				}
				first := w.join(w.config(), newLedger(t))
				eventually(t, "all 15", func() bool { return first.count() == 15 })
				first.leave(t) // commits
				for p := range 3 {
					w.produce(p, 5, 5)
				}
				down := w.kafk.Fault(fault)
				second := w.join(w.config(), newLedger(t))
				eventually(t, "what has leaders", func() bool { return count(second, "0/") == 5 && count(second, "2/") == 5 })
				time.Sleep(time.Minute)
				if n := count(second, "1/"); n != 0 {
					t.Fatalf("%d records of a partition without a leader", n)
				}
				down.Remove()
				eventually(t, "the partition that was away", func() bool { return count(second, "1/") == 5 })
				second.leave(t)
				if n := distinct(t, first.ledger, second.ledger); n != 30 {
					t.Errorf("%d distinct records of 30", n)
				}
				if ev := second.events(); ev != [3]int{1, 1, 0} {
					t.Errorf("assigned, revoked, lost: %v", ev)
				}
			})
		})
	}
}

func TestAPartitionThatWasNeverCommittedIsWaitedFor(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.produce(0, 0, 3)
		w.produce(1, 0, 3)
		down := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "refs", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		var told heard
		cfg := w.config()
		cfg.Told = told.hear
		m := w.join(cfg, newLedger(t))
		time.Sleep(time.Minute)
		if m.owns() != 0 {
			t.Error("an assignment began although nothing says where one partition does")
		}
		if _, overs := told.counts(); !told.fails() || overs != 0 {
			t.Errorf("what it waits for is told: %v, and that it is over %d times", told.fails(), overs)
		}
		down.Remove()
		eventually(t, "all 6", func() bool { return m.count() == 6 })
		if told.fails() {
			t.Error("nothing fails any more, and that is not told")
		}
		m.leave(t)
	})
}
