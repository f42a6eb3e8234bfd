//go:build integration

package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/internal/audit"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

func source(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "pipe", Topic: "topic", Partition: n}
}

// write hands over [first, next) in ranges of step offsets and gives a channel of one outcome for each.
func write(t testing.TB, s sinks.Sink, src schemas.SourceID, first, next, step int64) chan error {
	t.Helper()
	out := make(chan error, next-first)
	for o := first; o < next; o += step {
		r, rows := sinktest.Make(src, o, min(o+step, next))
		if err := s.Write(context.Background(), r, rows, func(err error) { out <- err }); err != nil {
			t.Errorf("writing from %d on: %v", o, err)
			return out
		}
	}
	return out
}

func resume(t testing.TB, s sinks.Sink, src schemas.SourceID) int64 {
	t.Helper()
	next, _, err := s.Resume(context.Background(), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func closeSink(t testing.TB, s sinks.Sink, outcomes ...chan error) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for _, c := range outcomes {
		for len(c) > 0 {
			if err := <-c; err != nil {
				t.Error(err)
			}
		}
	}
}

// whole checks a source with our account, the audit, and psql.
func whole(t testing.TB, s *harness.Postgres, table string, src schemas.SourceID, next int64) {
	t.Helper()
	a := read(t, s, table, src)
	if err := a.Audit(src, 0, next, true); err != nil {
		t.Error(err)
	}
	if r := report(t, s, table, src); !r.OK() || r.Next != next || len(r.Gaps)+len(r.Twice) > 0 {
		t.Errorf("the audit ends at %d, want %d: %v", r.Next, next, r.Offences)
	}
	_, rows := sinktest.Make(src, 0, next)
	where := fmt.Sprintf("WHERE pipeline = '%s' AND topic = '%s' AND partition = %d", src.Pipeline, src.Topic, src.Partition)
	if got, want := s.PSQL(t, "SELECT count(*), count(DISTINCT row_id) FROM "+table+" "+where), fmt.Sprintf("%d|%d", len(rows), len(rows)); got != want {
		t.Errorf("psql counts %s rows and ids, want %s", got, want)
	}
	if got, want := s.PSQL(t, "SELECT next_offset FROM "+table+"_sources "+where), fmt.Sprint(next); got != want {
		t.Errorf("psql reads the offset %s, want %s", got, want)
	}
}

func report(t testing.TB, s *harness.Postgres, table string, src schemas.SourceID) *audit.Report {
	t.Helper()
	q, err := pgvectorsink.OpenReader(context.Background(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r, err := audit.Of(context.Background(), audit.Postgres{Reader: q}, src)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func cutAtCommit(t *testing.T, s *harness.Postgres, table string) {
	wire := startCutter(t, s.Addr())
	open(t, sinkConfig(s.DSN(), table)) // makes the table undisturbed
	c := sinkConfig(s.DSNAt(wire.addr()), table)
	c.Deliver.BatchRows = 7
	sink := open(t, c)
	var outcomes []chan error
	for n := range 3 {
		resume(t, sink, source(n))
		outcomes = append(outcomes, write(t, sink, source(n), 0, 200, 3))
	}
	closeSink(t, sink, outcomes...)
	if n := wire.stop(); n < 60 {
		t.Errorf("the proxy saw %d commits, want 60 at least", n)
	}
	for n := range 3 {
		whole(t, s, table, source(n), 200)
	}
}

func compete(t *testing.T, s *harness.Postgres, table string) {
	wire := startCutter(t, s.Addr())
	wire.spare(true) // while all of them start: a start tries a few times only
	sinks := make([]*pgvectorsink.Sink, 3)
	for writer := range sinks {
		c := sinkConfig(s.DSNAt(wire.addr()), table)
		c.Deliver.BatchRows, c.Writer = 5+writer, fmt.Sprint("writer ", writer)
		sinks[writer] = open(t, c)
	}
	wire.spare(false)
	var wg sync.WaitGroup
	for writer, sink := range sinks {
		wg.Go(func() {
			var outcomes []chan error
			for n := range 2 {
				next := resume(t, sink, source(n))
				outcomes = append(outcomes, write(t, sink, source(n), next, 150, int64(2+writer)))
			}
			closeSink(t, sink, outcomes...)
		})
	}
	wg.Wait()
	if n := wire.stop(); n < 60 {
		t.Errorf("the proxy saw %d commits, want 60 at least", n)
	}
	for n := range 2 {
		whole(t, s, table, source(n), 150)
	}
}

func killed(t *testing.T, s *harness.Postgres, table string) {
	c := sinkConfig(s.DSN(), table)
	c.Deliver.BatchRows = 10
	sink := open(t, c)
	src := source(0)
	resume(t, sink, src)
	const last = 600
	written := make(chan chan error, 1)
	go func() {
		r := make(chan error, last)
		for o := int64(0); o < last; o += 2 {
			rg, rows := sinktest.Make(src, o, o+2)
			if err := sink.Write(context.Background(), rg, rows, func(err error) { r <- err }); err != nil {
				r <- err
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		written <- r
	}()
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		s.Kill(t)
		s.Start(t)
	}
	closeSink(t, sink, <-written)
	whole(t, s, table, src, last)
}

// demoted has a server whose new sessions may not write for a while, as those of one that is no primary any more; what leads to the next primary is a new connection.
func demoted(t *testing.T, s *harness.Postgres, table string) {
	const role = "BEGIN READ WRITE; ALTER ROLE postgres %s default_transaction_read_only %s; COMMIT"
	t.Cleanup(func() { s.PSQL(t, fmt.Sprintf(role, "RESET", "")) })
	c := sinkConfig(s.DSN(), table)
	failed := make(chan error, 1)
	c.Deliver.Retry.Told = func(_ int, err error) {
		if err != nil && strings.Contains(err.Error(), "25006") {
			select {
			case failed <- err:
			default:
			}
		}
	}
	sink := open(t, c)
	src := source(0)
	resume(t, sink, src)
	s.PSQL(t, fmt.Sprintf(role, "SET", "= on"))
	s.PSQL(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vecmill'")
	outcome := write(t, sink, src, 0, 20, 10)
	select {
	case <-failed:
	case <-time.After(time.Minute):
		t.Fatal("nothing was refused")
	}
	s.PSQL(t, fmt.Sprintf(role, "RESET", ""))
	closeSink(t, sink, outcome)
	whole(t, s, table, src, 20)
}

func audited(t *testing.T, s *harness.Postgres, names *tables) {
	for _, c := range []struct {
		name, harm, want string
	}{
		{"a row is lost", `DELETE FROM %[1]s WHERE "offset" = 21`, "offset 21: row"},
		{"a row is there twice", `INSERT INTO %[1]s SELECT (jsonb_populate_record(t, '{"row_id": "copy"}')).* FROM %[1]s t WHERE "offset" = 22 LIMIT 1`, "offset 22: row copy is there"},
		{"a row lies behind the end", `INSERT INTO %[1]s SELECT (jsonb_populate_record(t, '{"row_id": "late", "offset": 99}')).* FROM %[1]s t WHERE "offset" = 22 LIMIT 1`, "offset 99: row late is there"},
		{"a transaction is lost", `DELETE FROM %[1]s_ranges WHERE first_offset = 10`, "no file covers offsets 10 to 19"},
		{"a transaction claims what another has", `UPDATE %[1]s_ranges SET next_offset = 12 WHERE first_offset = 0`, "offsets 10 to 11 are covered twice"},
	} {
		table := names.next()
		sink := open(t, sinkConfig(s.DSN(), table))
		resume(t, sink, source(0))
		for o := int64(0); o < 40; o += 10 {
			write(t, sink, source(0), o, o+10, 10)
			if err := sink.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		closeSink(t, sink)
		whole(t, s, table, source(0), 40)
		has(t, s, table, source(0).Topic, "[0]")
		has(t, s, table, "another", "[]")
		s.PSQL(t, fmt.Sprintf(c.harm, table))
		r := report(t, s, table, source(0))
		if r.OK() || !strings.Contains(strings.Join(r.Offences, "\n"), c.want) {
			t.Errorf("%s: the audit says %q, want %q", c.name, r.Offences, c.want)
		}
	}
}

// has asks a table for the partitions of a topic.
func has(t *testing.T, s *harness.Postgres, table, topic, want string) {
	t.Helper()
	q, err := pgvectorsink.OpenReader(t.Context(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if got, err := q.Partitions(t.Context(), source(0).Pipeline, topic); err != nil || fmt.Sprint(got) != want {
		t.Errorf("partitions of %s: %v, %v, want %s", topic, got, err, want)
	}
}
