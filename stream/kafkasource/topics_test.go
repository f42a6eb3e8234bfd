package kafkasource

import (
	"errors"
	"strings"
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
	case <-time.After(2 * time.Minute):
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

// A broker that has just started, or has not heard of a topic yet, says that there is none.
func TestATopicThatIsNotSeenForSomeSecondsIsNotGone(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		cfg := w.config()
		cfg.StartAttempts = 50 // two minutes
		m := w.join(cfg, newLedger(t))
		eventually(t, "assigned", func() bool { return m.owns() == 2 })
		unseen := w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "refs", Err: kerr.UnknownTopicOrPartition, Count: -1})
		time.Sleep(cfg.WatchInterval + 10*time.Second)
		unseen.Remove()
		time.Sleep(2 * time.Minute)
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
