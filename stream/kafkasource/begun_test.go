package kafkasource

import (
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/stream"
)

func TestAPartitionThatIsAddedIsToldFromOneThatNobodyHasBegun(t *testing.T) {
	all := func(metadata string, parts ...int) (commits []kafka.OffsetCommit) {
		for _, p := range parts {
			commits = append(commits, kafka.OffsetCommit{Partition: p, Offset: 0, Metadata: metadata})
		}
		return commits
	}
	for _, c := range []struct {
		name    string
		commits []kafka.OffsetCommit
		begun   int // with so many of six partitions, by what is committed then
		told    string
	}{
		{"nobody has begun", nil, 6, ""},
		{"another member has begun a moment ago", all("partitions=6", 0, 2, 4), 6, ""},
		{"a member crashed before it had committed where it began", all("partitions=6", 0, 1, 2, 3, 4), 6, ""},
		{"the group began with two", all("partitions=2", 0, 1), 2, `partitions="[2 from 0 3 from 0 4 from 0 5 from 0]" begun_with=2 begun_with_is="said by a commit"`},
		{"it did, and some that were added have been read", all("partitions=2", 0, 1, 2, 4), 2, `partitions="[3 from 0 5 from 0]" begun_with=2 begun_with_is="said by a commit"`},
		{"members began while partitions were added", append(all("partitions=4", 0, 2), all("partitions=3", 1)...), 3, `partitions="[3 from 0 4 from 0 5 from 0]" begun_with=3 begun_with_is="said by a commit"`},
		{"an earlier version has begun", all("", 0, 1, 2), 3, `partitions="[3 from 0 4 from 0 5 from 0]" begun_with=3 begun_with_is="inferred: `},
		{"a tool has reset what an earlier version began", all("by hand", 0, 1, 2, 3), 4, `partitions="[4 from 0 5 from 0]" begun_with=4 begun_with_is="inferred: `},
		{"a tool has reset some", append(all("partitions=5", 0, 1, 2), all("partitions=?", 3, 4)...), 5, `partitions="[5 from 0]" begun_with=5 begun_with_is="said by a commit"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, 1, 6, func(t *testing.T, w *world) {
				tr := &kafka.Transport{Dial: w.net.DialContext}
				defer tr.CloseIdleConnections()
				client := &kafka.Client{Addr: kafka.TCP(w.kafk.ListenAddrs()...), Transport: tr}
				has := map[int]bool{}
				for _, o := range c.commits {
					has[o.Partition] = true
				}
				if len(c.commits) > 0 {
					if _, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{GroupID: "g", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"refs": c.commits}}); err != nil {
						t.Fatal(err)
					}
				}
				var logged logged
				cfg := w.config()
				cfg.Log = logged.logger()
				m := w.join(cfg, newLedger(t))
				eventually(t, "assigned", func() bool { return m.owns() == 6 })
				time.Sleep(time.Second) // it is told behind that
				if logged.has("taken for added") != (c.told != "") || !logged.has(c.told) {
					t.Errorf("the log should have %q: %s", c.told, logged.all.String())
				}
				for p, b := range m.mu.bounds {
					if want := !has[p.ID] && p.ID >= c.begun; b.Added != want || (b.Committed >= 0) != has[p.ID] {
						t.Errorf("%s: %+v, added should be %v", p, b, want)
					}
				}
				m.leave(t) // commits
				res, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "g"})
				if err != nil || len(res.Topics["refs"]) != 6 {
					t.Fatalf("%+v, %v", res, err)
				}
				for _, o := range res.Topics["refs"] {
					if o.Metadata != fmt.Sprint("partitions=", c.begun) {
						t.Errorf("the commit of %s says %q, want %d", stream.Partition{Topic: "refs", ID: o.Partition}, o.Metadata, c.begun)
					}
				}
			})
		})
	}
}

// addPartitions has the topic "refs" have so many.
func (w *world) addPartitions(inAll int32) {
	w.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "refs", inAll
	req.Topics = append(req.Topics, topic)
	if err := kerr.ErrorForCode(w.ask(req).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode); err != nil {
		w.t.Fatal(err)
	}
}

// fromLast begins as a pipeline with start_at: last does.
func fromLast(_ stream.Partition, b stream.Bounds) int64 {
	switch {
	case b.Committed >= 0:
		return b.Committed
	case b.Added:
		return b.First
	}
	return b.End
}

func TestPartitionsThatAreAddedWhileItRunsAreReadFromTheirFirstRecord(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		ledgers := []*ledger{newLedger(t), newLedger(t), newLedger(t)}
		for i, l := range ledgers {
			l.start = fromLast
			if i < 2 {
				w.produce(i, 0, 7) // what was there before the group began
			}
		}
		a, b := w.join(w.config(), ledgers[0]), w.join(w.config(), ledgers[1])
		eventually(t, "one each", func() bool { return a.owns() == 1 && b.owns() == 1 })
		w.addPartitions(4)
		w.produce(2, 100, 5) // nobody knows of them
		w.produce(3, 100, 5)
		eventually(t, "what came into the new partitions", func() bool { return a.count()+b.count() == 10 })
		eventually(t, "two each", func() bool { return a.owns() == 2 && b.owns() == 2 })
		a.leave(t)
		b.leave(t)

		w.addPartitions(5) // and nobody is there to see it
		w.produce(4, 100, 5)
		w.produce(0, 100, 5)
		c := w.join(w.config(), ledgers[2])
		eventually(t, "what came into the newest, and into an old one", func() bool { return c.count() == 10 })
		c.leave(t)
		if n := distinct(t, ledgers...); n != 20 {
			t.Errorf("%d distinct records of the 20 that came while the group was at work", n)
		}
		if ev := a.events(); ev[2] != 0 || ev[0] != ev[1] {
			t.Errorf("assigned, revoked, lost = %v", ev)
		}
	})
}

func FuzzParseBegun(f *testing.F) {
	for _, s := range []string{"", "partitions=6", "partitions=-1", "partitions=", "partitions=99999999999999999999", "leader epoch 3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n := parseBegun(s); n < 0 || n > 0 && parseBegun(begunMetadata(n)) != n {
			t.Errorf("%q is %d", s, n)
		}
	})
}
