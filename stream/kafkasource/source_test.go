package kafkasource

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/stream"
)

func TestAMemberThatIsToldToStopDrainsCommitsAndLeavesAndTheNextOneResumes(t *testing.T) {
	inWorld(t, 1, 3, func(t *testing.T, w *world) {
		for p := range 3 {
			w.produce(p, 0, 20)
		}
		first := w.join(w.config(), newLedger(t))
		eventually(t, "60 records", func() bool { return first.count() == 60 })
		first.leave(t)
		if got := first.events(); got != [3]int{1, 1, 0} {
			t.Errorf("assigned, revoked, lost = %v", got)
		}
		if err := first.lastCommit(); err != nil {
			t.Errorf("commit while leaving: %v", err)
		}
		if err := first.mu.last.Commit(t.Context(), map[stream.Partition]int64{{Topic: "refs", ID: 0}: 20}); err == nil {
			t.Error("a commit after the assignment succeeded")
		}

		w.produce(1, 20, 5)
		began := time.Now()
		second := w.join(w.config(), newLedger(t))
		eventually(t, "5 more", func() bool { return second.count() == 5 })
		if waited := time.Since(began); waited > 5*time.Second {
			t.Errorf("the second member waited %v: the first one did not leave the group", waited)
		}
		want := stream.Bounds{Committed: 20, First: 0, End: 25}
		if got := second.mu.bounds[stream.Partition{Topic: "refs", ID: 1}]; got != want {
			t.Errorf("bounds = %+v, want %+v", got, want)
		}
		second.leave(t)
		distinct(t, first.ledger, second.ledger)
	})
}

func TestAPartitionWithoutACommitSaysSo(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 2)
		m := w.join(w.config(), newLedger(t))
		eventually(t, "2 records", func() bool { return m.count() == 2 })
		if got := m.mu.bounds[stream.Partition{Topic: "refs"}]; got != (stream.Bounds{Committed: -1, First: 0, End: 2}) {
			t.Errorf("bounds = %+v", got)
		}
		m.leave(t)
	})
}

func TestTwoMembersShareAndNothingIsReadTwiceThroughTheRebalances(t *testing.T) {
	inWorld(t, 1, 4, func(t *testing.T, w *world) {
		for p := range 4 {
			w.produce(p, 0, 25)
		}
		a := w.join(w.config(), newLedger(t))
		eventually(t, "the first member reads alone", func() bool { return a.count() == 100 })
		b := w.join(w.config(), newLedger(t))
		eventually(t, "two partitions each", func() bool { return a.owns() == 2 && b.owns() == 2 })
		for p := range 4 {
			w.produce(p, 25, 25)
		}
		eventually(t, "200 records", func() bool { return a.count()+b.count() == 200 })
		b.leave(t)
		eventually(t, "the first member has all again", func() bool { return a.owns() == 4 })
		for p := range 4 {
			w.produce(p, 50, 5)
		}
		eventually(t, "220 records", func() bool { return a.count()+b.count() == 220 })
		a.leave(t)
		if n := distinct(t, a.ledger, b.ledger); n != 220 {
			t.Errorf("%d distinct records of 220", n)
		}
		if ev := a.events(); ev[2] != 0 || ev[0] != ev[1] {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
	})
}

// A member that gets nothing must say so: until then it cannot be told from one that has not joined.
func TestAMemberBeyondThePartitionsIsSpare(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		a := w.join(w.config(), newLedger(t))
		eventually(t, "the first member has the partition", func() bool { return a.owns() == 1 })
		if a.spares() != 0 {
			t.Error("the first member is spare")
		}
		b := w.join(w.config(), newLedger(t))
		eventually(t, "one has the partition and the other is spare", func() bool { return a.owns()+b.owns() == 1 && a.spares()+b.spares() >= 1 })
		idle, busy := a, b
		if a.owns() == 1 {
			idle, busy = b, a
		}
		before := idle.events()
		busy.leave(t)
		eventually(t, "the spare member takes over", func() bool { return idle.owns() == 1 })
		if now := idle.events(); now[0] != before[0]+1 || now[2] != 0 {
			t.Errorf("assigned, revoked, lost were %v and are %v", before, now)
		}
		idle.leave(t)
	})
}

// The drain is longer than the session timeout: only heartbeats that go on during it keep the member in the group.
func TestADrainLongerThanTheSessionTimeoutKeepsTheMembership(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.produce(0, 0, 5)
		slow := newLedger(t)
		slow.drain = func(context.Context) { time.Sleep(15 * time.Second) }
		a := w.join(w.config(), slow)
		eventually(t, "5 records", func() bool { return a.count() == 5 })
		b := w.join(w.config(), newLedger(t))
		eventually(t, "both own a partition", func() bool { return a.owns() == 1 && b.owns() == 1 })
		if err := a.lastCommit(); err != nil {
			t.Errorf("commit at the end of the drain: %v", err)
		}
		if ev := a.events(); ev != [3]int{2, 1, 0} {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
		a.leave(t)
		b.leave(t)
		if n := distinct(t, a.ledger, b.ledger); n != 5 {
			t.Errorf("%d records", n)
		}
	})
}

func TestAMemberCutOffFromTheBrokerForASessionIsLost(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		cfg := w.config()
		zombieNet := &frozenNet{dial: cfg.Dial}
		zcfg := cfg
		zcfg.Dial = zombieNet.Dial
		z := w.join(zcfg, newLedger(t))
		eventually(t, "the zombie-to-be has all", func() bool { return z.owns() == 2 })
		b := w.join(cfg, newLedger(t))
		eventually(t, "one each", func() bool { return z.owns() == 1 && b.owns() == 1 })
		zombieNet.freeze()
		eventually(t, "the other member has all", func() bool { return b.owns() == 2 })
		eventually(t, "the zombie knows", func() bool { return z.events()[2] == 1 })
		if err := z.mu.last.Commit(t.Context(), map[stream.Partition]int64{{Topic: "refs", ID: 0}: 1}); err == nil {
			t.Error("the zombie committed")
		}
		zombieNet.thaw()
		eventually(t, "the zombie comes back", func() bool { return z.owns() == 1 && b.owns() == 1 })
		z.leave(t)
		b.leave(t)
	})
}

// The zombie does not know how long it slept: its next heartbeat, or its next commit, tells it.
func TestAnEvictionIsNoticed(t *testing.T) {
	evict := func(req kmsg.Request) kmsg.Response {
		switch r := req.(type) {
		case *kmsg.HeartbeatRequest:
			res := r.ResponseKind().(*kmsg.HeartbeatResponse)
			res.ErrorCode = kerr.UnknownMemberID.Code
			return res
		case *kmsg.OffsetCommitRequest:
			res := r.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, t := range r.Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.IllegalGeneration.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				res.Topics = append(res.Topics, rt)
			}
			return res
		}
		return nil
	}
	for name, c := range map[string]struct {
		key     int16
		trigger func(m *member)
	}{
		"by a heartbeat": {12, func(*member) {}},
		"by a commit": {8, func(m *member) {
			if m.mu.last.Commit(context.Background(), map[stream.Partition]int64{{Topic: "refs", ID: 0}: 1}) == nil {
				m.t.Error("the commit succeeded")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, 1, func(t *testing.T, w *world) {
				m := w.join(w.config(), newLedger(t))
				eventually(t, "assigned", func() bool { return m.owns() == 1 })
				var refused atomic.Int32
				w.kafk.ControlKey(c.key, func(req kmsg.Request) (kmsg.Response, error, bool) {
					if refused.Add(1) > 3 { // kafka-go's own heartbeat and ours
						return nil, nil, false
					}
					w.kafk.KeepControl()
					return evict(req), nil, true
				})
				c.trigger(m)
				eventually(t, "lost", func() bool { ev := m.events(); return ev[2] >= 1 && ev[0] > ev[2] && ev[1] == 0 })
				m.leave(t)
			})
		})
	}
}

func TestAFullPipelineStopsReadingAndKeepsItsMembership(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		var open atomic.Bool
		l := newLedger(t)
		l.gate = func(ctx context.Context) error {
			for !open.Load() {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
				}
			}
			return nil
		}
		w.produce(0, 0, 10)
		m := w.join(w.config(), l)
		time.Sleep(2 * time.Minute) // many session timeouts
		if m.count() != 0 {
			t.Fatal("the gate is closed")
		}
		open.Store(true)
		eventually(t, "10 records", func() bool { return m.count() == 10 })
		if ev := m.events(); ev != [3]int{1, 0, 0} {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
		m.leave(t)
	})
}

// Lag is counted from the ends that the source tells, and it grows while the pipeline is full.
func TestAFullPipelineIsToldWhereTheLogEnds(t *testing.T) {
	inWorld(t, 2, 3, func(t *testing.T, w *world) {
		open := make(chan struct{})
		l := newLedger(t)
		l.gate = func(ctx context.Context) error {
			select {
			case <-open:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for p := range 2 { // the third has nothing to wait for
			w.produce(p, 0, 10)
		}
		m := w.join(w.config(), l)
		eventually(t, "ends at 10", func() bool { return l.end(0) == 10 && l.end(1) == 10 })
		leaderless := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "refs", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		for p := range 2 {
			w.produce(p, 10, 90)
		}
		time.Sleep(15 * time.Second) // an interval of collecting metrics
		if got := [2]int64{l.end(0), l.end(1)}; got != [2]int64{100, 10} {
			t.Errorf("logs of 100 records, one without a leader, end at %v", got)
		}
		leaderless.Remove()
		time.Sleep(15 * time.Second)
		if end := l.end(1); end != 100 {
			t.Errorf("with a leader again, the log of 100 records ends at %d", end)
		}
		if n := m.count(); n != 0 {
			t.Fatalf("%d records through a gate that is closed", n)
		}
		close(open)
		eventually(t, "200 records", func() bool { return m.count() == 200 })
		m.leave(t)
	})
}

func TestARecordsErrorEndsRunAfterTheAssignmentWasRevoked(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.produce(1, 0, 1)
		l := newLedger(t)
		l.gate = func(context.Context) error { return errBoom }
		m := w.join(w.config(), l)
		if err := <-m.done; !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "refs/1") {
			t.Errorf("Run: %v", err)
		}
		if ev := m.events(); ev != [3]int{1, 1, 0} {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
	})
}

func TestAnAssignedErrorEndsRunWithoutRevoked(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		l := newLedger(t)
		l.assigning = errBoom
		m := w.join(w.config(), l)
		if err := <-m.done; !errors.Is(err, errBoom) {
			t.Errorf("Run: %v", err)
		}
		if ev := m.events(); ev != [3]int{0, 0, 0} {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
	})
}

func TestLeadersMayMoveAndConnectionsBreak(t *testing.T) {
	inWorld(t, 3, 3, func(t *testing.T, w *world) {
		m := w.join(w.config(), newLedger(t))
		want := 0
		for round := range 6 {
			for p := range int32(3) {
				if err := w.kafk.MoveTopicPartition("refs", p, int32(round+int(p))%3); err != nil {
					t.Fatal(err)
				}
				w.produce(int(p), round*10, 10)
				want += 10
			}
			broken := 0
			w.kafk.ControlKey(1, func(kmsg.Request) (kmsg.Response, error, bool) {
				if broken++; broken == 3 {
					w.kafk.DropControl()
					return nil, nil, false
				}
				w.kafk.KeepControl()
				return nil, errBoom, true // closes the connection
			})
			eventually(t, "all records of the round", func() bool { return m.count() == want })
		}
		m.leave(t)
		if n := distinct(t, m.ledger); n != want {
			t.Errorf("%d distinct records of %d", n, want)
		}
	})
}

func TestACoordinatorThatIsAwayForAWhileCostsNothing(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 3)
		m := w.join(w.config(), newLedger(t))
		eventually(t, "3 records", func() bool { return m.count() == 3 })
		var until atomic.Int64
		until.Store(time.Now().Add(5 * time.Second).UnixNano())
		for _, key := range []int16{12, 11} { // heartbeat, join
			w.kafk.ControlKey(key, func(kmsg.Request) (kmsg.Response, error, bool) {
				if time.Now().UnixNano() > until.Load() {
					return nil, nil, false
				}
				w.kafk.KeepControl()
				return nil, errBoom, true
			})
		}
		time.Sleep(30 * time.Second)
		w.produce(0, 3, 3)
		eventually(t, "3 more", func() bool { return m.count() == 6 })
		m.leave(t)
		if err := m.lastCommit(); err != nil {
			t.Errorf("last commit: %v", err)
		}
		distinct(t, m.ledger)
	})
}

func TestRetentionThatOvertakesTheReaderMovesItToTheLogsBeginning(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 10)
		w.deleteRecords(6)
		l := newLedger(t)
		l.start = func(_ stream.Partition, b stream.Bounds) int64 {
			if b.First != 6 {
				t.Errorf("first = %d, want 6", b.First)
			}
			return 2
		}
		m := w.join(w.config(), l)
		eventually(t, "the last 4 records", func() bool { return m.count() == 4 })
		if got := m.values(); got[0] != "0/6" {
			t.Errorf("first value %q", got[0])
		}
		m.mu.Lock()
		if m.mu.removed != 4 {
			t.Errorf("%d offsets were said to be removed, want 2 to 5", m.mu.removed)
		}
		m.mu.Unlock()
		m.leave(t)
	})
}

func TestAnOffsetBeyondTheEndIsAnErrorAndNeverAReset(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 10)
		l := newLedger(t)
		l.start = func(stream.Partition, stream.Bounds) int64 { return 1000 }
		m := w.join(w.config(), l)
		err := <-m.done
		if err == nil || !strings.Contains(err.Error(), "offset 1000 is beyond the end of the log (10)") {
			t.Errorf("Run: %v", err)
		}
		if m.count() != 0 {
			t.Errorf("%d records were delivered", m.count())
		}
	})
}

func (w *world) deleteRecords(before int64) {
	w.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = "refs"
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Offset = before
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	client := w.franz()
	defer client.Close()
	if _, err := client.Request(w.t.Context(), req); err != nil {
		w.t.Fatal(err)
	}
}

func TestStartFaultsSayWhatToDo(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			change func(*Config)
			want   []string
		}{
			"a broker that does not answer": {
				func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} },
				[]string{"127.0.0.1:1", "after 8 tries", "check the brokers' addresses"},
			},
			"a topic that does not exist": {
				func(c *Config) { c.Topics = []string{"refs", "absent"} },
				[]string{`topic "absent"`, "does not exist", "create the topic"},
			},
		} {
			cfg := w.config()
			c.change(&cfg)
			err := <-w.join(cfg, newLedger(t)).done
			if err == nil {
				t.Fatalf("%s: no error", name)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %q does not say %q", name, err, part)
				}
			}
		}
	})
}

func TestAStopDuringTheStartIsOrderly(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		cfg := w.config()
		cfg.Brokers = []string{"127.0.0.1:1"}
		m := w.join(cfg, newLedger(t))
		time.Sleep(50 * time.Millisecond)
		m.leave(t)
	})
}

func TestFaultsThatNoRetryMendsEndTheSource(t *testing.T) {
	if groupFault(kafka.NotLeaderForPartition) != nil || groupFault(errBoom) != nil {
		t.Error("a passing fault is taken for a lasting one")
	}
	err := groupFault(&missingTopicError{"refs", kafka.TopicAuthorizationFailed})
	if !errors.Is(err, kafka.TopicAuthorizationFailed) || !strings.Contains(err.Error(), "grant READ") {
		t.Errorf("advice: %v", err)
	}
}
