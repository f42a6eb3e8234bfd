//go:build integration

package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vecmill/integration/harness"
	"vecmill/internal/audit"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

// listed is a list's source.
func listed(name string) schemas.SourceID {
	return schemas.SourceID{Pipeline: source(0).Pipeline, Topic: "manifest:" + name}
}

// came is a row of the first list, as it is when its object comes from another source.
func came(n int64, src schemas.SourceID, offset int64) schemas.Row {
	row := sinktest.Row(listed("first"), n, 0)
	row.Topic, row.Partition, row.Offset = src.Topic, src.Partition, offset
	return row
}

// hand gives a sink a range whose rows follow each other, and behind them perhaps a tombstone.
func hand(t *testing.T, s sinks.Sink, src schemas.SourceID, first int64, deletes string, rows ...schemas.Row) {
	t.Helper()
	r := schemas.Range{Source: src, Span: schemas.Span{First: first, Next: first + int64(len(rows))}}
	if deletes != "" {
		r.Skipped = []schemas.Span{{First: r.Next, Next: r.Next + 1}}
		r.Deletes = []schemas.Deletion{{Offset: r.Next, RefID: deletes}}
		r.Next++
	}
	if err := s.Write(context.Background(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
}

func flush(t *testing.T, s sinks.Sink) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// taken has rows of one list come again in a topic, and one of them deleted there: nothing is lost. What is deleted by hand is, also behind the tombstone.
func taken(t *testing.T, s *harness.Postgres, table string) {
	sink := open(t, sinkConfig(s.DSN(), table))
	first, later, topic := listed("first"), listed("later"), source(0)
	for _, src := range []schemas.SourceID{first, later, topic} {
		resume(t, sink, src)
	}
	gone := came(0, first, 0).RefID
	hand(t, sink, first, 0, "", came(0, first, 0), came(1, first, 1), came(2, first, 2))
	flush(t, sink)
	hand(t, sink, topic, 0, "", came(0, topic, 0), came(1, topic, 1))
	flush(t, sink)
	hand(t, sink, topic, 2, gone)
	flush(t, sink)
	for _, src := range []schemas.SourceID{first, topic} {
		if r := report(t, s, table, src); !r.OK() || r.Next != 3 {
			t.Errorf("the audit of %s ends at %d: %v", src, r.Next, r.Offences)
		}
	}
	written(t, s, table, first)

	hand(t, sink, later, 0, "", came(0, later, 0))
	flush(t, sink)
	if r := report(t, s, table, later); !r.OK() {
		t.Errorf("written again: %v", r.Offences)
	}
	s.PSQL(t, fmt.Sprintf(`DELETE FROM %s WHERE row_id IN ('%s', '%s')`, table, came(0, first, 0).RowID, came(1, first, 1).RowID))
	for src, want := range map[schemas.SourceID]string{
		first: "offset 1: row " + came(1, first, 1).RowID + " is lost", topic: "offset 1: row " + came(1, first, 1).RowID + " is lost", later: "offset 0: row " + came(0, first, 0).RowID + " is lost",
	} {
		if r := report(t, s, table, src); r.Faults != 1 || !strings.HasSuffix(r.Offences[0], want) {
			t.Errorf("the audit of %s says %q, want %q", src, r.Offences, want)
		}
	}
	closeSink(t, sink)
}

// written asks when a source was written last.
func written(t *testing.T, s *harness.Postgres, table string, src schemas.SourceID) {
	t.Helper()
	q, err := pgvectorsink.OpenReader(context.Background(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	w, err := audit.HowFar(context.Background(), audit.Postgres{Reader: q}, src, audit.Whole)
	if err != nil || w.Next != 3 || w.Last == nil || time.Since(*w.Last).Abs() > time.Minute {
		t.Errorf("written are %+v, %v", w, err)
	}
}

// takenAtOnce has a transaction begin before a list's, which writes the list's row again behind that and deletes it.
func takenAtOnce(t *testing.T, s *harness.Postgres, table string) {
	ctx := context.Background()
	sink, other := open(t, sinkConfig(s.DSN(), table)), open(t, sinkConfig(s.DSN(), table))
	first, topic := listed("first"), source(0)
	resume(t, other, first)
	resume(t, sink, topic)
	hand(t, sink, topic, 0, "", came(7, topic, 0))
	flush(t, sink)
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	hold, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold.Exec(ctx, `SELECT FROM `+table+`_sources FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	hand(t, sink, topic, 1, came(0, first, 0).RefID, came(0, topic, 1))
	for until := time.Now().Add(time.Minute); s.PSQL(t, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%`+table+`_sources%'`) != "1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the transaction does not wait for its source's line")
		}
	}
	hand(t, other, first, 0, "", came(0, first, 0))
	flush(t, other)
	if err := hold.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	flush(t, sink)
	if got := s.PSQL(t, `SELECT count(*) FROM `+table); got != "1" {
		t.Errorf("the table has %s rows, want that of the topic which is not deleted", got)
	}
	for _, src := range []schemas.SourceID{first, topic} {
		if r := report(t, s, table, src); !r.OK() {
			t.Errorf("the audit of %s says %v", src, r.Offences)
		}
	}
}

// takenTogether has many rows of one transaction deleted, which the audit of a table without the index finds in few scans.
func takenTogether(t *testing.T, s *harness.Postgres, table string) {
	const n = 50
	sink, src := open(t, sinkConfig(s.DSN(), table)), source(0)
	resume(t, sink, src)
	var rows []schemas.Row
	for i := range int64(n) {
		row := came(i, src, i)
		row.RefID = "one"
		rows = append(rows, row)
	}
	hand(t, sink, src, 0, "", rows...)
	flush(t, sink)
	hand(t, sink, src, n, "one")
	closeSink(t, sink)
	s.PSQL(t, `DROP INDEX `+table+`_ranges_by_deleted`)
	scans := func() string {
		for until := time.Now().Add(time.Minute); s.PSQL(t, `SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%`+table+`_ranges%' AND application_name = 'vecmill'`) != "0"; time.Sleep(10 * time.Millisecond) { // counts come when a connection ends
			if time.Now().After(until) {
				t.Fatal("connections stay")
			}
		}
		return s.PSQL(t, `SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '`+table+`_ranges'`)
	}
	before := scans()
	if r := report(t, s, table, src); !r.OK() || r.Next != n+1 {
		t.Errorf("the audit ends at %d: %v", r.Next, r.Offences)
	}
	if few := s.PSQL(t, `SELECT `+scans()+` - `+before+` < 20`); few != "t" {
		t.Errorf("the audit of %d deleted rows reads the ranges of the table %s times, and %s before", n, scans(), before)
	}
}
