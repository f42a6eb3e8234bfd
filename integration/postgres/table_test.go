//go:build integration

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/schemas"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

func refusals(t *testing.T, s *harness.Postgres, names *tables) {
	s.PSQL(t, "CREATE TABLE somebodys (row_id text)")
	table := names.next()
	c := sinkConfig(s.DSN(), table)
	c.Metric = pgvectorsink.Cosine
	open(t, c)
	for _, refused := range []struct {
		name   string
		change func(*pgvectorsink.Config)
		want   string
	}{
		{"another model", func(c *pgvectorsink.Config) { c.ModelDigest = "n" }, "has rows of model m, and this is model n"},
		{"another dimension", func(c *pgvectorsink.Config) { c.Dimension = 5 }, "is vector(4), want vector(5)"},
		{"another metric", func(c *pgvectorsink.Config) { c.Metric = pgvectorsink.L2 }, "is indexed for metric cosine, not l2"},
		{"a table of somebody else", func(c *pgvectorsink.Config) { c.Table = "somebodys" }, "was not made by this sink"},
	} {
		c := sinkConfig(s.DSN(), table)
		c.Metric = pgvectorsink.Cosine
		refused.change(&c)
		sink, err := pgvectorsink.Open(context.Background(), c)
		sinktest.CheckClass(t, refused.name, err)
		if err == nil || !strings.Contains(err.Error(), refused.want) {
			t.Errorf("%s: %v, want %q", refused.name, err, refused.want)
			if err == nil {
				closeSink(t, sink)
			}
		}
	}
	doctored := fmt.Sprintf("postgres: {url: %q, table: doctored, dimension: 96, metric: none}", s.DSN())
	if f := fixture.DoctorOn(t, doctored); f.Grade != wire.Sound { // and it is made
		t.Errorf("doctor says %+v of a new table", f)
	}
	s.PSQL(t, "ALTER TABLE doctored ALTER COLUMN vector TYPE vector(4)")
	fixture.DoctorRefuses(t, doctored, "column vector of table doctored is vector(4), want vector(96); give this model a table of its own")
	open(t, sinkConfig(s.DSN(), table)) // without an index of its own: the one that is there stays
}

// beside has sinks open beside transactions in the table and its ranges: of others that write where nothing is missing, and of readers where indexes are. Columns that are missing come.
func beside(t *testing.T, s *harness.Postgres, table string) {
	ctx, index := context.Background(), `SELECT to_regclass('`+table+`_ranges_by_deleted')`
	all := `SELECT count(*) FROM pg_indexes WHERE tablename IN ('` + table + `', '` + table + `_ranges')`
	c := sinkConfig(s.DSN(), table)
	c.Metric = pgvectorsink.Cosine
	closeSink(t, open(t, c))
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, step := range []struct{ before, lock string }{
		{"", "ROW EXCLUSIVE"}, {fmt.Sprintf("DROP INDEX %[1]s_ranges_by_deleted, %[1]s_by_ref, %[1]s_vector_hnsw", table), "ACCESS SHARE"},
	} {
		if step.before != "" {
			s.PSQL(t, step.before)
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `LOCK TABLE `+table+`, `+table+`_ranges IN `+step.lock+` MODE`); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		if sink, err := pgvectorsink.Open(short, c); err != nil {
			t.Errorf("beside a lock %s: %v", step.lock, err)
		} else {
			closeSink(t, sink)
		}
		cancel()
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		if got := s.PSQL(t, all); got != "7" { // two keys, two by columns, two by distance, and that by deleted ids
			t.Errorf("beside a lock %s: there are %s indexes, want 7", step.lock, got)
		}
	}
	s.PSQL(t, "ALTER TABLE "+table+"_ranges DROP COLUMN heads, DROP COLUMN deleted_ids")
	closeSink(t, open(t, c))
	if got := s.PSQL(t, index+", deleted_ids, heads FROM "+table+"_ranges LIMIT 0"); got != "" {
		t.Error(got)
	}
}

// unindexed has sinks open where the index by deleted ids is missing: beside a transaction that writes ranges for longer than the server waits, and for longer than it lets a statement take.
func unindexed(t *testing.T, s *harness.Postgres, table string) {
	ctx, index := context.Background(), `SELECT to_regclass('`+table+`_ranges_by_deleted')`
	closeSink(t, open(t, sinkConfig(s.DSN(), table)))
	s.PSQL(t, "DROP INDEX "+table+"_ranges_by_deleted")
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `LOCK TABLE `+table+`_ranges IN ROW EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	var told []error
	c := sinkConfig(s.DSN()+"&lock_timeout=300ms", table)
	c.Unindexed = func(err error) { told = append(told, err) }
	sink := open(t, c)
	resume(t, sink, source(0))
	write(t, sink, source(0), 0, 10, 10)
	closeSink(t, sink)
	if len(told) != 1 || !strings.Contains(told[0].Error(), table+"_ranges_by_deleted") {
		t.Errorf("of the index that was not made is told %q", told)
	}
	c.Look = true
	closeSink(t, open(t, c))
	if got := s.PSQL(t, index); got != "" || len(told) != 1 {
		t.Errorf("there is %q, told are %q", got, told)
	}

	var release sync.WaitGroup
	release.Go(func() {
		time.Sleep(2 * time.Second)
		if err := tx.Rollback(ctx); err != nil {
			t.Error(err)
		}
	})
	c.DSN, c.Look = s.DSN()+"&statement_timeout=1s", false
	closeSink(t, open(t, c))
	release.Wait()
	if got := s.PSQL(t, index); got != table+"_ranges_by_deleted" || len(told) != 1 {
		t.Errorf("where a statement may take a second there is %q; told are %q", got, told)
	}
}

// examined has worker doctor make a table with its index, and none of a table that is there.
func examined(t *testing.T, s *harness.Postgres, table string) {
	output := fmt.Sprintf("postgres: {url: %q, table: %s, dimension: 96, metric: cosine}", s.DSN(), table)
	indexes := fmt.Sprintf("SELECT to_regclass('%[1]s_vector_hnsw'), to_regclass('%[1]s_ranges_by_deleted')", table)
	for _, want := range []string{table + "_vector_hnsw|" + table + "_ranges_by_deleted", "|"} {
		if f := fixture.DoctorOn(t, output); f.Grade != wire.Sound {
			t.Errorf("doctor says %+v", f)
		}
		if got := s.PSQL(t, indexes); got != want {
			t.Errorf("doctor leaves the indexes %q, want %q", got, want)
		}
		s.PSQL(t, fmt.Sprintf("DROP INDEX IF EXISTS %[1]s_vector_hnsw, %[1]s_ranges_by_deleted", table))
	}
}

// warned has a worker open where the index by deleted ids cannot be made.
func warned(t *testing.T, s *harness.Postgres, table string) {
	output := func(options string) string {
		return fmt.Sprintf("postgres: {url: %q, table: %s, dimension: 96}", s.DSN()+options, table)
	}
	fixture.DoctorOn(t, output(""))
	s.PSQL(t, "DROP INDEX "+table+"_ranges_by_deleted")
	conn, err := pgx.Connect(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE `+table+`_ranges IN ROW EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(fmt.Appendf(nil, `
telemetry: {listen: ""}
fetch: {buckets: []}
kafka: {brokers: ["127.0.0.1:1"]}
pipelines:
  - {name: examined, topics: [t], model: {path: %q, threads: 1}, heads: [{task: embedding}], outputs: [{%s}]}
`, fixture.Demo(t, "text-intent"), output("&lock_timeout=300ms")), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w, err := wire.Open(t.Context(), c, wire.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "the index by deleted ids was not made") {
		t.Errorf("the worker says\n%s", &log)
	}
}

func evolve(t *testing.T, s *harness.Postgres, table string) {
	src := source(0)
	for i, tasks := range [][]schemas.Task{{schemas.TaskEmbedding}, {schemas.TaskEmbedding, schemas.TaskLabels}, {schemas.TaskEmbedding}} {
		c := sinkConfig(s.DSN(), table)
		c.Tasks = tasks
		sink := open(t, c)
		next := resume(t, sink, src)
		if next != int64(i) {
			t.Fatalf("step %d begins at %d", i, next)
		}
		row := sinktest.Row(src, 0, 0) // an embedding
		row.Offset, row.Window = next, i
		row.Task = tasks[len(tasks)-1]
		row.RowID = fmt.Sprint("row", i)
		if row.Task == schemas.TaskLabels {
			row.Payload = schemas.Payload{Label: "cat\x00", Score: 0.5}
		}
		r := schemas.Range{Source: src, Span: schemas.Span{First: next, Next: next + 1}}
		if err := sink.Write(context.Background(), r, []schemas.Row{row}, func(error) {}); err != nil {
			t.Fatal(err)
		}
		closeSink(t, sink)
	}
	if got, want := s.PSQL(t, `SELECT row_id, vector, label FROM `+table+` ORDER BY row_id`), "row0|[0,-0.5,0.25,0]|\nrow1||cat\ufffd\nrow2|[0,-0.5,0.25,0]|"; got != want {
		t.Errorf("psql reads\n%s\nwant\n%s", got, want)
	}
}

// works has rows of texts alone, of pairs, and of pairs of a build that did not say which.
func works(t *testing.T, s *harness.Postgres, table string) {
	c := sinkConfig(s.DSN(), table)
	c.Heads = "embedding=00"
	sink := open(t, c)
	src := source(0)
	resume(t, sink, src)
	want := map[string]int{}
	var rows []schemas.Row
	for i, notes := range []map[string]string{
		nil, {"lang": "de"}, {"lang": "de", schemas.CompanionNote: "text_pair", schemas.CompanionHashNote: "0b"}, {schemas.CompanionNote: "text_pair"},
	} {
		row := sinktest.Row(src, 0, 0)
		row.Offset, row.RowID, row.Attributes = int64(i), fmt.Sprint("row", i), notes
		hash := ""
		if i == 0 {
			row.URI, row.ETag = schemas.InlinePlace, ""
			hash = row.ContentHash
		}
		rows = append(rows, row)
		want[fmt.Sprint(row.RefID, row.URI, row.ETag, hash, row.ModelDigest, row.PreprocessDigest, row.Head, notes[schemas.CompanionNote], notes[schemas.CompanionHashNote], c.Heads)]++
	}
	r := schemas.Range{Source: src, Span: schemas.Span{Next: int64(len(rows))}, Deletes: []schemas.Deletion{{Offset: 2, RefID: "another"}}}
	if err := sink.Write(context.Background(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	closeSink(t, sink)
	q, err := pgvectorsink.OpenReader(context.Background(), s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got := map[string]int{}
	if err := q.Works(context.Background(), src.Pipeline, func(l *schemas.Lineage, heads string) error {
		got[fmt.Sprint(l.RefID, l.URI, l.ETag, l.ContentHash, l.ModelDigest, l.PreprocessDigest, l.Head, l.Attributes[schemas.CompanionNote], l.Attributes[schemas.CompanionHashNote], heads)]++
		return nil
	}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, want %v; %v", got, want, err)
	}
	came := map[string]int{}
	if err := q.Came(context.Background(), src, schemas.Span{First: 1, Next: 3}, func(l *schemas.Lineage) error {
		came[fmt.Sprint(l.Offset, l.RefID, l.URI, l.ETag, l.ContentHash, l.ModelDigest, l.PreprocessDigest, l.Attributes)]++
		return nil
	}); err != nil || len(came) != 2 || came[fmt.Sprint(1, rows[1].RefID, rows[1].URI, rows[1].ETag, rows[1].ContentHash, rows[1].ModelDigest, rows[1].PreprocessDigest, rows[1].Attributes)] != 1 {
		t.Errorf("rows of a span: %v; %v", came, err)
	}
	for in, want := range map[schemas.Span]string{{First: 1, Next: 2}: fmt.Sprint([]schemas.Range{r}), {First: r.Next, Next: r.Next + 9}: "[]"} {
		if all, err := q.Covered(context.Background(), src, in); err != nil || fmt.Sprint(all) != want {
			t.Errorf("transactions of %v: %v, %v, want %s", in, all, err, want)
		}
	}
	for offset, want := range map[int64]string{0: c.Heads, int64(len(rows)) - 1: c.Heads, int64(len(rows)): ""} {
		if heads, err := q.Heads(context.Background(), src, offset); err != nil || heads != want {
			t.Errorf("the heads of offset %d are %q, want %q; %v", offset, heads, want, err)
		}
	}
}

func rejectedRow(t *testing.T, s *harness.Postgres, table string) {
	sink := open(t, sinkConfig(s.DSN(), table))
	s.PSQL(t, "ALTER TABLE "+table+` ADD CHECK ("offset" <> 1234)`)
	src := source(0)
	resume(t, sink, src)
	write(t, sink, src, 0, 1000, 100)
	if err := sink.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var outcome error
	r, rows := sinktest.Make(src, 1000, 2000)
	if err := sink.Write(context.Background(), r, rows, func(err error) { outcome = err }); err != nil {
		t.Fatal(err)
	}
	err := sink.Flush(context.Background())
	rejection, ok := errors.AsType[*schemas.Rejection](err)
	if !ok || rejection.Reason != schemas.ReasonSinkReject || !strings.Contains(err.Error(), "offset 1234: the server refuses its rows") || !errors.Is(outcome, rejection) {
		t.Errorf("flush gives %v, done %v; want a sink-reject of offset 1234", err, outcome)
	}
	whole(t, s, table, src, 1234) // what lies before it is whole
	closeSink(t, sink)
}

// search has the nearest found in both precisions by their indexes, and those that meet a condition, without losing any to the index.
func search(t *testing.T, s *harness.Postgres, names *tables) {
	for column, change := range map[string]func(r *schemas.Row, o int64){
		"vector":     func(r *schemas.Row, o int64) { r.Vector = []float32{float32(o), 0, 0, 0} },
		"vector_f16": func(r *schemas.Row, o int64) { r.Vector, r.Half = nil, []uint16{halfOf(o), 0, 0, 0} },
	} {
		t.Run(column, func(t *testing.T) {
			table := names.next()
			c := sinkConfig(s.DSN(), table)
			c.Metric, c.Tasks = pgvectorsink.L2, []schemas.Task{schemas.TaskEmbedding}
			sink := open(t, c)
			src := source(0)
			resume(t, sink, src)
			var rows []schemas.Row
			for o := range int64(500) {
				row := sinktest.Row(src, 0, 0)
				row.Offset, row.RowID = o, fmt.Sprint("row", o)
				change(&row, o)
				rows = append(rows, row)
			}
			if err := sink.Write(context.Background(), schemas.Range{Source: src, Span: schemas.Span{First: 0, Next: 500}}, rows, func(error) {}); err != nil {
				t.Fatal(err)
			}
			closeSink(t, sink)
			query := func(where string) string {
				return fmt.Sprintf(`SELECT row_id FROM %s %s ORDER BY %s <-> '[321.2,0,0,0]' LIMIT 2`, table, where, column)
			}
			got := s.PSQL(t, `SET enable_seqscan = off; EXPLAIN `+query(""))
			if !strings.Contains(got, "_"+column+"_hnsw") {
				t.Errorf("the index is not used:\n%s", got)
			}
			if got := s.PSQL(t, query("")); got != "row321\nrow322" {
				t.Errorf("the nearest are %q", got)
			}
			if got := s.PSQL(t, query(`WHERE "offset" < 300 AND attributes->>'tenant' = '0' AND model_digest = 'm'`)); got != "row299\nrow298" {
				t.Errorf("the nearest of the smaller offsets are %q", got)
			}
		})
	}
}

// halfOf is a whole number of up to 2048 in half precision.
func halfOf(n int64) uint16 {
	if n == 0 {
		return 0
	}
	exp := bits.Len64(uint64(n)) - 1
	return uint16(exp+15)<<10 | uint16(n<<10>>exp)&0x3ff
}
