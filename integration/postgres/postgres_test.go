//go:build integration

package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/internal/audit"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

// tables gives every case a table of its own.
type tables struct{ n atomic.Int64 }

func (n *tables) next() string { return fmt.Sprintf("rows_%d", n.n.Add(1)) }

func sinkConfig(dsn, table string) pgvectorsink.Config {
	c := pgvectorsink.NewDefaultConfig()
	c.DSN, c.Table, c.Tasks, c.Dimension, c.ModelDigest = dsn, table, schemas.Tasks(), 4, "m"
	c.Deliver.Retry = retry.Policy{Attempts: 100, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	c.Deliver.BatchAge, c.Writer = 200*time.Millisecond, "test"
	return c
}

// open makes a sink that is closed, with what it still buffers, when the test ends.
func open(t testing.TB, c pgvectorsink.Config) *pgvectorsink.Sink {
	t.Helper()
	s, err := pgvectorsink.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // cases that look at its error close it themselves
	return s
}

func TestPostgres(t *testing.T) {
	s := harness.StartPostgres(t)
	var names tables
	t.Run("the sink conforms", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(testing.TB) sinktest.Fixture { return conforming(s, names.next(), func(*pgvectorsink.Config) {}) })
	})
	t.Run("the sink conforms with tiny batches and an index", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(testing.TB) sinktest.Fixture {
			return conforming(s, names.next(), func(c *pgvectorsink.Config) {
				c.Deliver.BatchRows, c.Deliver.MaxBuffered, c.Deliver.InFlight, c.Metric = 3, 4096, 2, pgvectorsink.Cosine
			})
		})
	})
	t.Run("connections cut at commit lose and repeat nothing", func(t *testing.T) { cutAtCommit(t, s, names.next()) })
	t.Run("two writers that compete write every offset once", func(t *testing.T) { compete(t, s, names.next()) })
	t.Run("tables that do not fit are refused", func(t *testing.T) { refusals(t, s, &names) })
	t.Run("a worker that starts waits for nobody who reads or writes", func(t *testing.T) { beside(t, s, names.next()) })
	t.Run("a worker starts without the index that audits alone read", func(t *testing.T) { unindexed(t, s, names.next()) })
	t.Run("a worker says that the index could not be made", func(t *testing.T) { warned(t, s, names.next()) })
	t.Run("doctor makes no index of a table that is there", func(t *testing.T) { examined(t, s, names.next()) })
	t.Run("a task more is a column more", func(t *testing.T) { evolve(t, s, names.next()) })
	t.Run("the one row among a thousand that the server refuses is named", func(t *testing.T) { rejectedRow(t, s, names.next()) })
	t.Run("the index finds the nearest", func(t *testing.T) { search(t, s, &names) })
	t.Run("what was written can be recalled", func(t *testing.T) { recalled(t, s, names.next()) })
	t.Run("works are told with their heads and what was beside their texts", func(t *testing.T) { works(t, s, names.next()) })
	t.Run("the latest row of a reference is told by offsets", func(t *testing.T) { latest(t, s, names.next()) })
	t.Run("the audit finds a loss and a duplicate by offset", func(t *testing.T) { audited(t, s, &names) })
	t.Run("what a tombstone of another source took is not lost", func(t *testing.T) { taken(t, s, names.next()) })
	t.Run("what a tombstone took in a transaction that began before is not lost", func(t *testing.T) { takenAtOnce(t, s, names.next()) })
	t.Run("what tombstones took is looked for once a transaction", func(t *testing.T) { takenTogether(t, s, names.next()) })
	t.Run("a table that nobody has made has nothing", func(t *testing.T) { nothing(t, s, names.next()) })
	t.Run("a server that is no primary any more is left", func(t *testing.T) { demoted(t, s, names.next()) })
	t.Run("a server that is killed loses and repeats nothing", func(t *testing.T) { killed(t, s, names.next()) })
}

func nothing(t *testing.T, s *harness.Postgres, table string) {
	q, err := pgvectorsink.OpenReader(t.Context(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	out := audit.Postgres{Reader: q}
	if all, err := audit.All(t.Context(), out, "p"); err != nil || len(all) > 0 {
		t.Errorf("an audit finds %+v, %v", all, err)
	}
	if w, err := audit.HowFar(t.Context(), out, source(0), audit.Whole); err != nil || w.Next != 0 {
		t.Errorf("written are %+v, %v", w, err)
	}
	if parts, err := out.Partitions(t.Context(), "p", "t"); err != nil || len(parts) > 0 {
		t.Errorf("partitions %v, %v", parts, err)
	}
}

func conforming(s *harness.Postgres, table string, change func(*pgvectorsink.Config)) sinktest.Fixture {
	of := func(tasks ...schemas.Task) func(testing.TB) sinks.Sink {
		return func(t testing.TB) sinks.Sink {
			c := sinkConfig(s.DSN(), table)
			change(&c)
			c.Tasks = tasks
			return open(t, c)
		}
	}
	return sinktest.Fixture{
		Open: of(schemas.Tasks()...), OpenFewer: of(schemas.TaskEmbedding),
		Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return read(t, s, table, src) },
		Chained: true, Splits: true, RecordsFates: true, Upserts: true, Deletes: true,
	}
}
