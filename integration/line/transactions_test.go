//go:build integration

package line

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
)

const transactional = "transactional"

// testTransactions reads a topic with committed, aborted and open transactions of a client of another make. kafka-go filters none of them by itself.
func testTransactions(t *testing.T, site *fixture.Site) {
	site.Kafka.CreateTopic(t, transactional, 1)
	one, two := transactor(t, site.Kafka, "one"), transactor(t, site.Kafka, "two")
	begin(t, one, "a", "b")
	end(t, site.Kafka, one, kgo.TryCommit, 2) // offsets 0 1
	begin(t, one, "x", "not a reference at all")
	end(t, site.Kafka, one, kgo.TryAbort, 5) // 3 4
	begin(t, two, "y")                       // 6
	begin(t, one, "c")
	end(t, site.Kafka, one, kgo.TryCommit, 8) // 7, while two's is open

	c := site.Config(site.Pipeline(t, "transactions", schemas.Text, transactional))
	worker := site.StartWorker(t, "transactions", c)
	group := c.Pipelines[0].Group
	committed := func() int64 { return site.Kafka.Committed(t, group, transactional)[0] }
	for until := time.Now().Add(time.Minute); committed() < 6; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("what is before the open transaction is not committed: %d", committed())
		}
	}
	time.Sleep(3 * time.Second) // in which nothing may come
	if at := committed(); at != 6 {
		t.Errorf("committed %d while a transaction is open from 6 on", at)
	}
	end(t, site.Kafka, two, kgo.TryAbort, 9)
	begin(t, one, "d")
	end(t, site.Kafka, one, kgo.TryCommit, 11) // 10
	site.AwaitCommitted(t, transactional, []string{group}, time.Minute, worker)
	fixture.Stop(t, worker)

	out := site.Audit(t, "transactions", transactional)
	for offset, id := range map[int64]string{0: "a", 1: "b", 7: "c", 10: "d"} {
		rows := out.Rows[fixture.Place{Offset: offset}]
		if len(rows) == 0 || rows[0].RefID != id {
			t.Errorf("offset %d has %d rows, want those of %s", offset, len(rows), id)
		}
		delete(out.Rows, fixture.Place{Offset: offset})
	}
	if len(out.Rows) > 0 || len(out.Dead) > 0 || len(out.Skipped) != 8 {
		t.Errorf("rows of what was aborted %v, dead %v, skipped %v", out.Rows, out.Dead, out.Skipped)
	}
	if all, code := site.AuditCommand(t, "transactions", c); code != 0 {
		t.Errorf("the audit ends with %d: %+v", code, all)
	}
}

func transactor(t *testing.T, k *harness.Kafka, id string) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// begin begins a transaction and sends references to one sentence each, whose ids are the values; what is no word is sent as it is.
func begin(t *testing.T, c *kgo.Client, values ...string) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		value := []byte(v)
		if len(v) == 1 {
			value = fixture.JSON(t, schemas.Ref{ID: v, Modality: schemas.Text, Inline: fmt.Appendf(nil, "turn the light %s on", v)})
		}
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: transactional, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// end ends the transaction and waits for its marker, which has the offset given: the coordinator answers before it is written.
func end(t *testing.T, k *harness.Kafka, c *kgo.Client, how kgo.TransactionEndTry, marker int64) {
	t.Helper()
	if err := c.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); k.EndOffsets(t, transactional)[0] <= marker; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("no marker at %d within a minute", marker)
		}
	}
}
