package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/sinks"
	"vecmill/stream"
)

func (w *world) log() *Log {
	w.t.Helper()
	l, err := OpenLog(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func values(t *testing.T, l *Log, p stream.Partition, from, to int64) (out []string) {
	t.Helper()
	if err := l.Scan(t.Context(), p, from, to, func(r stream.Record) error {
		out = append(out, fmt.Sprintf("%d:%s", r.Offset, r.Value))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatIsAppendedIsScannedAgain(t *testing.T) {
	inWorld(t, 2, 3, func(t *testing.T, w *world) {
		l := w.log()
		defer l.Close()
		parts, err := l.Partitions(t.Context(), "refs")
		if err != nil || len(parts) != 3 {
			t.Fatalf("%v, %v", parts, err)
		}
		want := []stream.Record{
			{Key: []byte{0, 255}, Value: []byte("a"), Headers: []sinks.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}},
			{Value: []byte{}},
			{Key: []byte{}, Value: nil},
		}
		if err := l.Append(t.Context(), parts[2], want); err != nil {
			t.Fatal(err)
		}
		var got []stream.Record
		if err := l.Scan(t.Context(), parts[2], 0, 3, func(r stream.Record) error { got = append(got, r); return nil }); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			want[i].Offset, want[i].Time = int64(i), got[i].Time
			for j := range got[i].Headers {
				if len(got[i].Headers[j].Value) == 0 {
					got[i].Headers[j].Value = nil
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		w.produce(2, 0, 200)
		if n := len(values(t, l, parts[2], 50, 190)); n != 140 {
			t.Errorf("%d records between 50 and 190", n)
		}
		err = l.Scan(t.Context(), parts[2], 0, 10, func(stream.Record) error { return errBoom })
		if !errors.Is(err, errBoom) {
			t.Errorf("the receiver's error: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Scan(ctx, parts[2], 0, 10, func(stream.Record) error { return nil }); err == nil {
			t.Error("a scan goes on although its context has ended")
		}
		if _, err := l.Partitions(t.Context(), "nowhere"); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("a topic that is not there: %v", err)
		}
	})
}

func TestBoundsKnowTheGroupsCommits(t *testing.T) {
	inWorld(t, 1, 2, func(t *testing.T, w *world) {
		w.produce(0, 0, 4)
		m := w.join(w.config(), newLedger(t))
		eventually(t, "4 records", func() bool { return m.count() == 4 })
		m.leave(t)
		w.produce(0, 4, 2)
		l := w.log()
		defer l.Close()
		parts, err := l.Partitions(t.Context(), "refs")
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Bounds(t.Context(), "g", parts)
		if want := map[stream.Partition]stream.Bounds{parts[0]: {Committed: 4, First: 0, End: 6}, parts[1]: {Committed: 0, First: 0, End: 0}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
		got, err = l.Bounds(t.Context(), "another", parts[:1])
		if err != nil || got[parts[0]].Committed != -1 {
			t.Errorf("a group that never committed: %v, %v", got, err)
		}
	})
}

// A cluster's first group waits until the topic of commits has been made, which takes a busy machine longer than a handful of tries.
func TestACoordinatorThatIsBeingMadeIsWaitedFor(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		l := w.log()
		defer l.Close()
		const failures = 20
		if most := w.config().Retry.Attempts; most*2 > failures {
			t.Fatalf("%d tries are made of anything", most)
		}
		w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.NotCoordinator, Count: failures})
		p := stream.Partition{Topic: "refs"}
		if b, err := l.Bounds(t.Context(), "g", []stream.Partition{p}); err != nil || b[p].Committed != -1 {
			t.Errorf("%v, %v", b, err)
		}
	})
}

// A scan must end also while a transaction of somebody else is open, and control markers are no records to anybody.
func TestAScanGoesThroughOpenTransactionsAndMarkers(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		c := w.franz(kgo.TransactionalID("one"))
		defer c.Close()
		w.transaction(c, kgo.TryAbort, "x") // 0, marker 1
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "refs", Value: []byte("y")}).FirstErr(); err != nil { // 2
			t.Fatal(err)
		}
		w.produce(0, 0, 1) // 3
		l := w.log()
		defer l.Close()
		p := stream.Partition{Topic: "refs"}
		b, err := l.Bounds(t.Context(), "", []stream.Partition{p})
		if err != nil || b[p].End != 4 {
			t.Fatalf("%v, %v", b, err)
		}
		if got := strings.Join(values(t, l, p, 0, b[p].End), " "); got != "0:x 2:y 3:0/0" {
			t.Errorf("scanned %s", got)
		}
		if err := c.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnAppendIsTriedOnceAndReadsAreRepeated(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		p := stream.Partition{Topic: "refs"}
		l := w.log()
		defer l.Close()
		w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend}) // it lands, and the answer is an error
		err := l.Append(t.Context(), p, []stream.Record{{Value: []byte("a")}})
		if err == nil || Permanent(err) {
			t.Errorf("an append with an unclear answer: %v", err)
		}
		w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: 2}, kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition})
		b, err := l.Bounds(t.Context(), "", []stream.Partition{p})
		if err != nil {
			t.Fatal(err)
		}
		if got := values(t, l, p, 0, b[p].End); len(got) != 1 {
			t.Errorf("%v", got)
		}
		for _, tooLarge := range []*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge} {
			w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: tooLarge})
			if err := l.Append(t.Context(), p, []stream.Record{{Value: []byte("b")}}); !Permanent(err) || !TooLarge(err) {
				t.Errorf("a record that is too large: %v", err)
			}
		}
	})
}

// TestATopicThatWasFoundIsNotGoneByOneAnswer has a broker that has just started: of a topic that is not to be found at all the first answer counts, and to an append, which may come to another topic.
func TestATopicThatWasFoundIsNotGoneByOneAnswer(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		w.produce(0, 0, 3)
		l := w.log()
		defer l.Close()
		parts, err := l.Partitions(t.Context(), "refs")
		if err != nil {
			t.Fatal(err)
		}
		unknown := func(key kmsg.Key, times int) {
			w.kafk.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: "refs", Err: kerr.UnknownTopicOrPartition, Count: times})
		}
		unknown(kmsg.ListOffsets, 2)
		if of, err := l.Bounds(t.Context(), "", parts); err != nil || of[parts[0]].End != 3 {
			t.Errorf("%+v, %v", of, err)
		}
		unknown(kmsg.Fetch, 2)
		n := 0
		if err := l.Scan(t.Context(), parts[0], 0, 3, func(stream.Record) error { n++; return nil }); err != nil || n != 3 {
			t.Errorf("%d records, %v", n, err)
		}
		unknown(kmsg.ListOffsets, -1)
		if _, err := l.Bounds(t.Context(), "", parts); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("a topic that stays away: %v", err)
		}
		unknown(kmsg.Produce, 1)
		if err := l.Append(t.Context(), parts[0], []stream.Record{{Value: []byte("a")}}); !errors.Is(err, kafka.UnknownTopicOrPartition) || !Permanent(err) {
			t.Errorf("an append to what may be another topic by now: %v", err)
		}
	})
}
