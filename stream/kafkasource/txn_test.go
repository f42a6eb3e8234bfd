package kafkasource

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"vecmill/stream"
)

// franz is a client of another make: it produces transactions, which kafka-go cannot.
func (w *world) franz(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.kafk.ListenAddrs()...), kgo.Dialer(w.net.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) transaction(c *kgo.Client, end kgo.TransactionEndTry, values ...string) {
	w.t.Helper()
	if err := c.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for _, v := range values {
		if err := c.ProduceSync(w.t.Context(), &kgo.Record{Topic: "refs", Value: []byte(v)}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := c.EndTransaction(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

func TestAbortedRecordsAndMarkersAreNotDeliveredAndTheirOffsetsAreCovered(t *testing.T) {
	inWorld(t, 1, 1, func(t *testing.T, w *world) {
		one, two := w.franz(kgo.TransactionalID("one")), w.franz(kgo.TransactionalID("two"))
		defer one.Close()
		defer two.Close()
		w.transaction(one, kgo.TryCommit, "a0", "a1") // 0 1, marker 2
		w.transaction(one, kgo.TryAbort, "x0", "x1")  // 3 4, marker 5
		w.transaction(one, kgo.TryCommit, "b0")       // 6, marker 7
		if err := two.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := two.ProduceSync(t.Context(), &kgo.Record{Topic: "refs", Value: []byte("y0")}).FirstErr(); err != nil { // 8
			t.Fatal(err)
		}
		w.transaction(one, kgo.TryCommit, "c0") // 9, marker 10, inside the open transaction of two

		m := w.join(w.config(), newLedger(t))
		eventually(t, "what is before the open transaction", func() bool { return m.count() == 3 })
		time.Sleep(10 * time.Second)
		if got := fmt.Sprint(m.values()); got != "[a0 a1 b0]" {
			t.Errorf("before the open transaction ends: %s", got)
		}
		if err := two.EndTransaction(t.Context(), kgo.TryAbort); err != nil { // marker 11
			t.Fatal(err)
		}
		eventually(t, "the rest", func() bool { return m.count() == 4 })
		p := stream.Partition{Topic: "refs"}
		eventually(t, "next covers the last marker", func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.mu.next[p] == 12
		})
		m.leave(t)
		if got := fmt.Sprint(m.values()); got != "[a0 a1 b0 c0]" {
			t.Errorf("delivered %s", got)
		}

		again := w.join(w.config(), newLedger(t))
		eventually(t, "assigned again", func() bool { return again.owns() == 1 })
		if b := again.mu.bounds[p]; b != (stream.Bounds{Committed: 12, First: 0, End: 12}) {
			t.Errorf("bounds after the commit: %+v", b)
		}
		again.leave(t)
	})
}
