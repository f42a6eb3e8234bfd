//go:build integration && iceberg

package iceberg

import (
	"cmp"
	"context"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/internal/audit"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/icebergcatalog"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/sinktest"
)

func TestIceberg(t *testing.T) {
	s := startSite(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"the sink conforms on a REST catalog", conforms},
		{"pyiceberg, pyarrow and duckdb read what two writers wrote, in partitions, under lost answers", compete},
		{"pyiceberg and duckdb read a table of a SQL catalog in SQLite", sqlite},
		{"pyiceberg and duckdb read a table of a SQL catalog in PostgreSQL", postgres},
		{"a tombstone finds rows in a file that pyiceberg has written anew", rewritten},
		{"the audit finds a loss, a duplicate and a missing file by offset", audited},
		{"a worker that is killed at work goes on where the table ends", killed},
		{"a table that others have made is computed once, through kills", aForeignTableIsComputed},
		{"a plan of a table that is killed goes on with the snapshot that it began with", aPlanKeepsItsSnapshot},
		{"what a table has is not computed again", nothingIsComputedTwice},
		{"a table is computed again beside it while the stream goes on", aTableIsComputedAgainBesideIt},
		{"shares of a plan and of a recomputation are in a table once, through kills", sharesAreInATableOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

func source(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "pipe", Topic: "topic", Partition: n}
}

func (s *site) config(table string, tasks ...schemas.Task) icebergcatalog.Config {
	return icebergcatalog.Config{
		URI: s.rest, Name: "test", Table: table, Files: s.open, Create: true, Tasks: tasks, ModelDigest: "m",
		Retry: retry.Policy{Attempts: 20, Base: 20 * time.Millisecond, Max: 500 * time.Millisecond},
	}
}

// start makes a sink that is closed, with what it still buffers, when the test ends.
func start(t testing.TB, c icebergcatalog.Config, change func(*icebergsink.Config)) *icebergsink.Sink {
	t.Helper()
	table, err := icebergcatalog.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	cfg := icebergsink.NewDefaultConfig()
	cfg.Table, cfg.Name, cfg.Files, cfg.Tasks, cfg.ModelDigest, cfg.Writer = table, c.Table, c.Files, c.Tasks, c.ModelDigest, "test"
	cfg.Retry = retry.Policy{Attempts: 200, Base: 20 * time.Millisecond, Max: 300 * time.Millisecond}
	cfg.Timeout = 20 * time.Second
	change(&cfg)
	sink, err := icebergsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) }) // cases that look at its error close it themselves
	return sink
}

func conforms(t *testing.T, s *site) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		c := s.config(s.table(), schemas.Tasks()...)
		return sinktest.Fixture{
			Open: func(t testing.TB) sinks.Sink { return start(t, c, func(*icebergsink.Config) {}) },
			OpenFewer: func(t testing.TB) sinks.Sink {
				return start(t, s.config(c.Table, schemas.TaskEmbedding), func(*icebergsink.Config) {})
			},
			Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return account(t, s, c, src) },
			IDs:     true,
			Chained: true, RecordsFates: true, Deletes: true,
		}
	})
}

// account is what the audit's reader finds: rows by their ids, told from what sinktest makes.
func account(t testing.TB, s *site, c icebergcatalog.Config, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	r, err := icebergcatalog.OpenReader(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, p := range r.Parts(src) {
		a.Dead, a.Skipped, a.Lost = append(a.Dead, p.Range.Dead...), append(a.Skipped, p.Range.Skipped...), append(a.Lost, p.Range.Lost...)
	}
	rows, faults, err := r.Rows(context.Background(), src, 0, r.Next(src))
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	for _, row := range rows {
		made := schemas.Row{}
		for at := row.Offset; at >= 0 && made.RowID != row.ID; at-- { // a reference that comes again has its rows' ids again
			for w := range 2 {
				if made = sinktest.Row(src, at, w); made.RowID == row.ID {
					break
				}
			}
		}
		if made.RowID != row.ID {
			t.Fatalf("offset %d has row %s, which nobody made", row.Offset, row.ID)
		}
		made.Offset = row.Offset
		if row.Offset == 0 && len(rows) == 1 { // the large row
			made.Attributes = map[string]string{"big": strings.Repeat("0123456789abcdef", 1<<18)}
		}
		a.Rows = append(a.Rows, made)
	}
	return a
}

// made is what sinktest makes, with a tombstone at every offset that it skips: of the reference at half of it.
func made(tasks []schemas.Task, src schemas.SourceID, first, next int64) (schemas.Range, []schemas.Row) {
	r, rows := sinktest.MakeOf(tasks, src, first, next)
	for _, s := range r.Skipped {
		for o := s.First; o < s.Next; o++ {
			r.Deletes = append(r.Deletes, schemas.Deletion{Offset: o, RefID: sinktest.Row(src, o/2, 0).RefID})
		}
	}
	return r, rows
}

// left are the rows of a source, from offset 0 on and before end, that its tombstones leave.
func left(tasks []schemas.Task, src schemas.SourceID, end int64) []schemas.Row {
	r, rows := made(tasks, src, 0, end)
	return slices.DeleteFunc(rows, func(row schemas.Row) bool {
		return slices.ContainsFunc(r.Deletes, func(d schemas.Deletion) bool { return d.RefID == row.RefID && row.Offset < d.Offset })
	})
}

// feed writes a source from where it resumes up to end, and goes on with what it resumes at whenever another writer was there.
func feed(t testing.TB, sink *icebergsink.Sink, tasks []schemas.Task, src schemas.SourceID, end, step int64) {
	next, _, err := sink.Resume(context.Background(), src, 0)
	if err != nil {
		t.Error(err)
		return
	}
	for ; next < end; next += step {
		r, rows := made(tasks, src, next, min(next+step, end))
		if err := sink.Write(context.Background(), r, rows, func(err error) {
			if err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Error(err)
			return
		}
	}
}

// whole compares everything that readers say of a table with what feed leaves in it.
func whole(t testing.TB, s *site, catalog map[string]string, c icebergcatalog.Config, sources []schemas.SourceID, end int64) seen {
	t.Helper()
	var want [][]any
	for _, src := range sources {
		rows := left(c.Tasks, src, end)
		for i := range rows {
			want = append(want, []any{src.Pipeline, src.Topic, float64(src.Partition), float64(rows[i].Offset), rows[i].RowID})
		}
	}
	slices.SortFunc(want, func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[2].(float64), b[2].(float64)), cmp.Compare(a[3].(float64), b[3].(float64)), cmp.Compare(a[4].(string), b[4].(string)))
	})
	v := s.judge(t, catalog, c.Table, "read")
	if !reflect.DeepEqual(v.Rows, want) || !reflect.DeepEqual(v.Duck, want) {
		t.Errorf("pyiceberg reads %d rows, duckdb %d, want %d", len(v.Rows), len(v.Duck), len(want))
	}
	if len(v.Wrong) > 0 || v.Numbered == 0 {
		t.Errorf("%d columns of files have field ids, and these are wrong: %v", v.Numbered, v.Wrong)
	}
	if v.Untold > 0 || v.Snapshots == 0 {
		t.Errorf("pyiceberg finds no offsets in the summaries of %d snapshots of %d", v.Untold, v.Snapshots)
	}
	count := func(keep func(partition, offset float64) bool) (n int) {
		for _, r := range want {
			if keep(r[2].(float64), r[3].(float64)) {
				n++
			}
		}
		return n
	}
	for filter, n := range map[string]int{
		"offset >= 30 and offset < 40":             count(func(_, o float64) bool { return o >= 30 && o < 40 }),
		"partition == 1":                           count(func(p, _ float64) bool { return p == 1 }),
		"created_at < '2100-01-01T00:00:00+00:00'": len(want),
		"created_at < '2000-01-01T00:00:00+00:00'": 0,
		"ref_id == 'ref-topic-0-32'":               count(func(p, o float64) bool { return p == 0 && o == 32 }),
		"ref_id != 'ref-topic-0-32'":               count(func(p, o float64) bool { return p != 0 || o != 32 }),
	} {
		if v.Pruned[filter] != n {
			t.Errorf("pyiceberg finds %d rows with %s, want %d", v.Pruned[filter], filter, n)
		}
	}
	for _, src := range sources {
		if r := report(t, c, src); !r.OK() || r.Next != end || len(r.Gaps)+len(r.Twice) > 0 {
			t.Errorf("the audit of %s ends at %d, want %d: %v", src, r.Next, end, r.Offences)
		}
	}
	return v
}

func report(t testing.TB, c icebergcatalog.Config, src schemas.SourceID) *audit.Report {
	t.Helper()
	q, err := icebergcatalog.OpenReader(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r, err := audit.Of(context.Background(), audit.Iceberg{Reader: q}, src)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compete(t *testing.T, s *site) {
	wire := startForgetful(t, s.rest)
	wire.off.Store(true) // while they start: a start tries a few times only
	c := s.config(s.table(), schemas.TaskEmbedding, schemas.TaskTranscript, schemas.TaskXVector)
	c.URI, c.Partition = wire.url, []string{"task", "day(created_at)"}
	var writers []*icebergsink.Sink
	for n := range 2 {
		writers = append(writers, start(t, c, func(cfg *icebergsink.Config) { cfg.RollRows = 25 + 10*n }))
	}
	wire.off.Store(false)
	const end = 120
	var wg sync.WaitGroup
	for n, sink := range writers {
		wg.Go(func() {
			for p := range 2 {
				feed(t, sink, c.Tasks, source(p), end, int64(3+n))
			}
			if err := sink.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wire.off.Store(true)
	if n := wire.commits.Load(); n < 3 { // one of each fate; how many ranges one commit holds, the machine's load decides
		t.Errorf("the proxy saw %d commits only", n)
	}
	v := whole(t, s, s.restCatalog(), c, []schemas.SourceID{source(0), source(1)}, end)
	if v.Partitions < 3 {
		t.Errorf("%d files in %d partitions", v.Files, v.Partitions)
	}
	if len(v.Vector) == 0 || !slices.Equal(v.Vector[0][1:3], []float64{-0.5, 0.25}) || len(v.Half) == 0 || !slices.Equal(v.Half[0][:3], []float64{1, -0.5, 0.25}) {
		t.Errorf("vectors read %v and %v", v.Vector, v.Half)
	}
	if len(v.Words) == 0 || v.Words[0][1]["word"] != "wörter" || len(v.Attributes) == 0 {
		t.Errorf("lists read %v, attributes %v", v.Words, v.Attributes)
	}
}

func sqlite(t *testing.T, s *site) {
	db := filepath.Join(s.dir, "sql.db")
	inSQL(t, s, "ns.lite", (&url.URL{Scheme: "sqlite", Path: db}).String(), "sqlite:///"+db, "hour(created_at)", "truncate(13, ref_id)")
}

func postgres(t *testing.T, s *site) {
	uri := harness.StartPostgres(t).DSN()
	inSQL(t, s, "ns.postgres", uri, strings.Replace(uri, "postgres://", "postgresql+psycopg2://", 1), "bucket(3, ref_id)", "truncate(20, offset)", "year(created_at)")
}

// inSQL opens a table that is not there yet from four workers at once, lets two writers compete for two sources in it, and adds a task. The catalog has one URI for us
// and one for Python.
func inSQL(t *testing.T, s *site, table, uri, python string, partition ...string) {
	c := s.config(table, schemas.TaskEmbedding)
	c.URI, c.Warehouse, c.Partition = uri, "s3://"+bucket+"/sql", partition
	opened := make(chan error, 4) // one each
	for range cap(opened) {
		go func() {
			tbl, err := icebergcatalog.Open(context.Background(), c)
			if err == nil {
				err = tbl.Close()
			}
			opened <- err
		}()
	}
	for range cap(opened) {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
	var writers []*icebergsink.Sink
	for range 2 {
		writers = append(writers, start(t, c, func(cfg *icebergsink.Config) { cfg.RollRows = 20 }))
	}
	var wg sync.WaitGroup
	for n, sink := range writers {
		wg.Go(func() {
			for p := range 2 {
				feed(t, sink, c.Tasks, source(p), 60, int64(4+n))
			}
			if err := sink.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	more := c
	more.Tasks = []schemas.Task{schemas.TaskEmbedding, schemas.TaskTranscript}
	sink := start(t, more, func(*icebergsink.Config) {})
	for p := range 2 {
		feed(t, sink, c.Tasks, source(p), 80, 7)
	}
	if err := sink.Close(context.Background()); err != nil {
		t.Error(err)
	}
	v := whole(t, s, map[string]string{"type": "sql", "uri": python, "name": "test"}, c, []schemas.SourceID{source(0), source(1)}, 80)
	if !slices.Contains(v.Columns, "words") || v.Deletes == 0 {
		t.Errorf("a task more gave no columns, or tombstones of later snapshots no files of deleted rows: %v, %d", v.Columns, v.Deletes)
	}
}

// rewritten has pyiceberg write the file of an offset anew, without its row, and takes away another row of that file.
func rewritten(t *testing.T, s *site) {
	c := s.config(s.table(), schemas.TaskEmbedding)
	sink := start(t, c, func(*icebergsink.Config) {})
	feed(t, sink, c.Tasks, source(0), 40, 10)
	if err := sink.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := whole(t, s, s.restCatalog(), c, []schemas.SourceID{source(0)}, 40)
	s.judge(t, s.restCatalog(), c.Table, "delete", "offset == 21")
	r := schemas.Range{Source: source(0), Span: schemas.Span{First: 40, Next: 41}}
	r.Skipped, r.Deletes = []schemas.Span{r.Span}, []schemas.Deletion{{Offset: 40, RefID: sinktest.Row(source(0), 23, 0).RefID}}
	if err := sink.Write(context.Background(), r, nil, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(before.Rows, func(r []any) bool { return r[3] == 21.0 || r[3] == 23.0 })
	v := s.judge(t, s.restCatalog(), c.Table, "read")
	if !reflect.DeepEqual(v.Rows, want) || !reflect.DeepEqual(v.Duck, want) || v.Deletes == 0 || v.File == before.File {
		t.Errorf("pyiceberg reads %d rows, duckdb %d, want %d; %d files of deleted rows", len(v.Rows), len(v.Duck), len(want), v.Deletes)
	}
}

func audited(t *testing.T, s *site) {
	for _, c := range []struct {
		name      string
		partition string
		harm      func(t *testing.T, table string, v seen)
		want      string
	}{
		{"rows are deleted", "task", func(t *testing.T, table string, _ seen) { s.judge(t, s.restCatalog(), table, "delete", "offset == 21") }, "offset 21 has no row"},
		{"rows are there twice", "task", func(t *testing.T, table string, _ seen) { s.judge(t, s.restCatalog(), table, "repeat", "offset == 23") }, "offset 23: row"},
		{"a file is gone", "month(created_at)", func(t *testing.T, table string, v seen) {
			key := strings.TrimPrefix(v.File, "s3://"+bucket+"/")
			s.s3.Remove(t, bucket, key)
		}, "cannot be read"},
	} {
		conf := s.config(s.table(), schemas.TaskEmbedding)
		conf.Partition = []string{c.partition}
		sink := start(t, conf, func(*icebergsink.Config) {})
		for end := int64(10); end <= 40; end += 10 {
			feed(t, sink, conf.Tasks, source(0), end, 5)
			if err := sink.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		v := whole(t, s, s.restCatalog(), conf, []schemas.SourceID{source(0)}, 40)
		if v.Deletes == 0 {
			t.Error("no file has deleted rows, though tombstones have named rows of earlier snapshots")
		}
		c.harm(t, conf.Table, v)
		r := report(t, conf, source(0))
		if all := strings.Join(r.Offences, "\n"); r.OK() || !strings.Contains(all, c.want) || c.want == "cannot be read" && !strings.Contains(all, "has no row") {
			t.Errorf("%s: the audit says %q, want %q", c.name, r.Offences, c.want)
		}
	}
}
