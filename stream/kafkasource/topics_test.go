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

// ask has the cluster do what an administrator asks for.
func (w *world) ask(req kmsg.Request) kmsg.Response {
	w.t.Helper()
	client := w.franz()
	defer client.Close()
	res, err := client.Request(w.t.Context(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) createTopic(name string, partitions int32) {
	w.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	if err := kerr.ErrorForCode(w.ask(req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deleteTopic(name string) {
	w.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	req.Topics, req.TopicNames = append(req.Topics, topic), append(req.TopicNames, name)
	if err := kerr.ErrorForCode(w.ask(req).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode); err != nil {
		w.t.Fatal(err)
	}
}

// missesTopic wants the member to end by itself, and to say which topic is gone.
func (m *member) missesTopic(t *testing.T, name string) {
	t.Helper()
	select {
	case err := <-m.done:
		if err == nil || !strings.Contains(err.Error(), `topic "`+name+`": does not exist; create the topic`) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(5 * time.Minute):
		t.Errorf("the member goes on without topic %s; assigned, revoked, lost = %v", name, m.events())
		m.leave(t)
	}
	if ev := m.events(); ev[0] != ev[1] || ev[2] != 0 {
		t.Errorf("assigned, revoked, lost = %v", ev)
	}
}

// One topic of several was enough to have a group join anew without end, with nothing dealt out.
func TestATopicThatIsDeletedWhileItIsReadEndsTheSource(t *testing.T) {
	for name, opts := range map[string][]kfake.Opt{
		"brokers make no topics":          nil,
		"brokers make those that are not": {kfake.AllowAutoTopicCreation()},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, 3, func(t *testing.T, w *world) {
				w.createTopic("more", 2)
				cfg := w.config()
				cfg.Topics = []string{"refs", "more"}
				a, b := w.join(cfg, newLedger(t)), w.join(cfg, newLedger(t))
				eventually(t, "both have some of both topics", func() bool { return a.owns() > 0 && b.owns() > 0 && a.owns()+b.owns() == 5 })
				w.produce(0, 0, 10)
				eventually(t, "10 records", func() bool { return a.count()+b.count() == 10 })
				time.Sleep(time.Minute) // it is noticed while nothing else happens
				w.deleteTopic("more")
				a.missesTopic(t, "more")
				b.missesTopic(t, "more")

				l := w.log()
				defer l.Close()
				if _, err := l.Partitions(t.Context(), "more"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
					t.Errorf("the topic that was deleted: %v", err)
				}
				part := stream.Partition{Topic: "refs"}
				if in, err := l.Bounds(t.Context(), cfg.Group, []stream.Partition{part}); err != nil || in[part].Committed != 10 {
					t.Errorf("what was read of the other topic is not committed: %+v, %v", in, err)
				}
			}, opts...)
		})
	}
}

// A leader that does not see one topic deals out nothing of the others either.
func TestATopicThatIsDeletedBeforeARebalanceEndsTheSource(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.createTopic("more", 2)
		cfg := w.config()
		cfg.Topics = []string{"refs", "more"}
		a, b := w.join(cfg, newLedger(t)), w.join(cfg, newLedger(t))
		eventually(t, "both have some", func() bool { return a.owns() == 2 && b.owns() == 2 })
		time.Sleep(time.Minute)
		w.deleteTopic("more")
		b.leave(t)
		a.missesTopic(t, "more")
	})
}

// A leader asks with leave to create topics: a member that has heard until its time was up that one is gone does not join.
func TestATopicThatIsGoneAtARebalanceIsNotMadeAgain(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.createTopic("more", 2)
		cfg := w.config()
		cfg.Topics, cfg.WatchInterval = []string{"refs", "more"}, time.Hour
		a, b := w.join(cfg, newLedger(t)), w.join(cfg, newLedger(t))
		eventually(t, "both have some", func() bool { return a.owns() == 2 && b.owns() == 2 })
		w.deleteTopic("more")
		time.Sleep(7 * time.Second) // the members' caches forget it
		b.leave(t)
		a.missesTopic(t, "more")
		l := w.log()
		defer l.Close()
		if _, err := l.Partitions(t.Context(), "more"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("the topic that was deleted: %v", err)
		}
	}, kfake.AllowAutoTopicCreation())
}

// A broker that has just started, or has not heard of a topic yet, says that there is none. It is told as a trouble, and that it is over, too.
func TestATopicThatIsNotSeenForAMinuteIsNotGone(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		var told heard
		cfg := w.config()
		cfg.Told = told.hear
		m := w.join(cfg, newLedger(t))
		eventually(t, "assigned", func() bool { return m.owns() == 2 })
		unseen := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "refs", Err: kerr.UnknownTopicOrPartition, Count: -1})
		time.Sleep(cfg.WatchInterval + time.Minute)
		if !told.fails() {
			t.Error("a topic that is not to be found is not told")
		}
		unseen.Remove()
		time.Sleep(2 * time.Minute)
		if told.fails() {
			t.Error("nothing fails any more, and that is not told")
		}
		w.produce(0, 0, 5)
		eventually(t, "5 records", func() bool { return m.count() == 5 })
		m.leave(t)
		if ev := m.events(); ev != [3]int{1, 1, 0} {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
	})
}

// A leader that sees no topic at that moment takes it for one without partitions. Nobody would ask it again.
func TestAGroupToWhichNothingWasDealtJoinsAgain(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "refs", Err: kerr.UnknownTopicOrPartition, Count: 1, When: func(r kmsg.Request) bool {
			return r.(*kmsg.MetadataRequest).AllowAutoTopicCreation // kafka-go's leader asks so
		}})
		w.produce(0, 0, 5)
		m := w.join(w.config(), newLedger(t))
		eventually(t, "nothing is dealt out", func() bool { return m.spares() == 1 })
		began := time.Now()
		eventually(t, "5 records", func() bool { return m.count() == 5 })
		if took := time.Since(began); took > 40*time.Second {
			t.Errorf("it took %v until partitions were dealt out", took)
		}
		m.leave(t)
	})
}

// The leader asks the coordinator's broker, which may have heard less of a topic than the one that the watcher asks.
func TestPartitionsThatTheLeaderDidNotSeeAreDealtOutLater(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		var stale atomic.Int32 // so many answers to leaders have two partitions, as before
		w.kafk.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafk.KeepControl()
			req := r.(*kmsg.MetadataRequest)
			if !req.AllowAutoTopicCreation || stale.Add(-1) < 0 { // kafka-go's leader asks so
				return nil, nil, false
			}
			return twoPartitions(req), nil, true
		})
		var logged logged
		cfg := w.config()
		cfg.Log = logged.logger()
		a, b := w.join(cfg, newLedger(t)), w.join(cfg, newLedger(t))
		eventually(t, "one each", func() bool { return a.owns() == 1 && b.owns() == 1 })
		time.Sleep(5 * time.Minute)
		if ev := a.events(); logged.has("no member of the group has") || ev[0] > 2 {
			t.Fatalf("nothing is left to nobody, and the group is joined anew; assigned, revoked, lost = %v", ev)
		}
		stale.Store(2)
		w.addPartitions(4)
		w.produce(3, 0, 5)
		began := time.Now()
		eventually(t, "all are dealt out", func() bool { return a.owns() == 2 && b.owns() == 2 && a.count()+b.count() == 5 })
		if took := time.Since(began); took > 4*cfg.WatchInterval {
			t.Errorf("it took %v until all partitions were dealt out", took)
		}
		if stale.Load() >= 0 || !logged.has("without_member=map[refs:2]") {
			t.Errorf("%d stale answers are left, and what nobody had is not told", stale.Load())
		}
		a.leave(t)
		b.leave(t)
	})
}

// doesNotTellWhoHasWhat has brokers describe a stable group without its members' partitions.
func (w *world) doesNotTellWhoHasWhat() {
	w.kafk.ControlKey(int16(kmsg.DescribeGroups), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.kafk.KeepControl()
		res := r.ResponseKind().(*kmsg.DescribeGroupsResponse)
		group := kmsg.NewDescribeGroupsResponseGroup()
		group.Group, group.State, group.ProtocolType = r.(*kmsg.DescribeGroupsRequest).Groups[0], "Stable", "consumer"
		group.Members = []kmsg.DescribeGroupsResponseGroupMember{kmsg.NewDescribeGroupsResponseGroupMember()}
		res.Groups = append(res.Groups, group)
		return res, nil, true
	})
}

func TestABrokerThatDoesNotTellWhoHasWhatMakesNobodyJoinAnew(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.doesNotTellWhoHasWhat()
		a := w.join(w.config(), newLedger(t))
		eventually(t, "all", func() bool { return a.owns() == 2 })
		time.Sleep(5 * time.Minute)
		if ev := a.events(); ev[0] != 1 {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
		a.leave(t)
	})
}

// TestASpareMemberJoinsAnewAFewTimesAlone has fewer partitions than members, and a broker that does not tell who has what: for all that the spare one knows nobody has any.
func TestASpareMemberJoinsAnewAFewTimesAlone(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.doesNotTellWhoHasWhat()
		a, b := w.join(w.config(), newLedger(t)), w.join(w.config(), newLedger(t))
		eventually(t, "one has it", func() bool { return a.owns()+b.owns() == 1 })
		time.Sleep(20 * time.Minute)
		before := a.spares() + b.spares()
		if before > 2+mostBlank {
			t.Errorf("the spare one has joined %d times", before)
		}
		time.Sleep(40 * time.Minute)
		if after := a.spares() + b.spares(); after != before {
			t.Errorf("the spare one has joined %d times, and %d times since", before, after-before)
		}
		a.leave(t)
		b.leave(t)
	})
}

// twoPartitions is the answer of a broker that knows two partitions of each topic.
func twoPartitions(req *kmsg.MetadataRequest) kmsg.Response {
	res := req.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.Host, broker.Port = "127.0.0.1", 9092
	res.Brokers = append(res.Brokers, broker)
	for _, t := range req.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = t.Topic
		for id := range int32(2) {
			part := kmsg.NewMetadataResponseTopicPartition()
			part.Partition, part.Replicas, part.ISR = id, []int32{0}, []int32{0}
			topic.Partitions = append(topic.Partitions, part)
		}
		res.Topics = append(res.Topics, topic)
	}
	return res
}

// Brokers drop members that have not joined in time, whatever these wait for.
func TestAMemberThatDoesNotFindTheTopicsJoinsInTime(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		cfg := w.config()
		first := newLedger(t)
		answers := func(err *kerr.Error) *kfake.FaultHandle { // those to leaders are as always
			return w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "refs", Err: err, Count: -1, When: func(r kmsg.Request) bool { return !r.(*kmsg.MetadataRequest).AllowAutoTopicCreation }})
		}
		var down atomic.Pointer[kfake.FaultHandle]
		first.drain = func(context.Context) { // the other one waits in the join, and has found the topics
			if down.Load() != nil {
				return
			}
			absent := answers(kerr.UnknownTopicOrPartition)
			time.Sleep(7 * time.Second) // the member's cache forgets what it knew
			go func() {
				time.Sleep(time.Second) // it looks again and again now
				down.Store(answers(kerr.LeaderNotAvailable))
				absent.Remove()
			}()
		}
		a := w.join(cfg, first)
		eventually(t, "the first has both", func() bool { return a.owns() == 2 })
		b := w.join(cfg, newLedger(t))
		eventually(t, "the first has given them up", func() bool { return down.Load() != nil })
		time.Sleep(cfg.RebalanceTimeout + 5*time.Second)
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{cfg.Group}
		if members := w.ask(req).(*kmsg.DescribeGroupsResponse).Groups[0].Members; len(members) != 2 {
			t.Errorf("%d members are in the group, want 2", len(members))
		}
		down.Load().Remove()
		eventually(t, "one each", func() bool { return a.owns() == 1 && b.owns() == 1 })
		a.leave(t)
		b.leave(t)
	})
}
