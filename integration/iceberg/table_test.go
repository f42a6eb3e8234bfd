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
		{"pyiceberg reads a table of a SQL catalog", sqlite},
		{"the audit finds a loss, a duplicate and a missing file by offset", audited},
		{"a worker that is killed at work goes on where the table ends", killed},
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
			Chained: true, RecordsFates: true,
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
		for w := range 2 {
			if made = sinktest.Row(src, row.Offset, w); made.RowID == row.ID {
				break
			}
		}
		if made.RowID != row.ID {
			t.Fatalf("offset %d has row %s, which nobody made", row.Offset, row.ID)
		}
		if row.Offset == 0 && len(rows) == 1 { // the large row
			made.Attributes = map[string]string{"big": strings.Repeat("0123456789abcdef", 1<<18)}
		}
		a.Rows = append(a.Rows, made)
	}
	return a
}

// feed writes a source from where it resumes up to end, and goes on with what it resumes at whenever another writer was there.
func feed(t testing.TB, sink *icebergsink.Sink, tasks []schemas.Task, src schemas.SourceID, end, step int64) {
	next, _, err := sink.Resume(context.Background(), src, 0)
	if err != nil {
		t.Error(err)
		return
	}
	for ; next < end; next += step {
		r, rows := sinktest.MakeOf(tasks, src, next, min(next+step, end))
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

// whole compares everything that readers say of a table with what sinktest makes.
func whole(t testing.TB, s *site, catalog map[string]string, c icebergcatalog.Config, sources []schemas.SourceID, end int64) seen {
	t.Helper()
	var want [][]any
	for _, src := range sources {
		_, rows := sinktest.MakeOf(c.Tasks, src, 0, end)
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
	c := s.config("ns.sql", schemas.TaskEmbedding)
	db := filepath.Join(s.dir, "sql.db")
	c.URI, c.Warehouse = (&url.URL{Scheme: "sqlite", Path: db}).String(), "s3://"+bucket+"/sql"
	var wg sync.WaitGroup
	for n := range 2 {
		sink := start(t, c, func(cfg *icebergsink.Config) { cfg.RollRows = 20 })
		wg.Go(func() {
			feed(t, sink, c.Tasks, source(n), 60, 4)
			if err := sink.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	more := c
	more.Tasks = []schemas.Task{schemas.TaskEmbedding, schemas.TaskTranscript}
	if err := start(t, more, func(*icebergsink.Config) {}).Close(context.Background()); err != nil {
		t.Error(err)
	}
	v := whole(t, s, map[string]string{"type": "sql", "uri": "sqlite:///" + db, "name": "test"}, c, []schemas.SourceID{source(0), source(1)}, 60)
	if !slices.Contains(v.Columns, "words") {
		t.Errorf("a task more gave no columns: %v", v.Columns)
	}
}

func audited(t *testing.T, s *site) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, table string, v seen)
		want string
	}{
		{"rows are deleted", func(t *testing.T, table string, _ seen) { s.judge(t, s.restCatalog(), table, "delete", "offset == 21") }, "offset 21 has no row"},
		{"rows are there twice", func(t *testing.T, table string, _ seen) { s.judge(t, s.restCatalog(), table, "repeat", "offset == 22") }, "offset 22: row"},
		{"a file is gone", func(t *testing.T, table string, v seen) {
			key := strings.TrimPrefix(v.File, "s3://"+bucket+"/")
			s.s3.Remove(t, bucket, key)
		}, "cannot be read"},
	} {
		conf := s.config(s.table(), schemas.TaskEmbedding)
		sink := start(t, conf, func(*icebergsink.Config) {})
		for end := int64(10); end <= 40; end += 10 {
			feed(t, sink, conf.Tasks, source(0), end, 5)
			if err := sink.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		v := whole(t, s, s.restCatalog(), conf, []schemas.SourceID{source(0)}, 40)
		c.harm(t, conf.Table, v)
		r := report(t, conf, source(0))
		if all := strings.Join(r.Offences, "\n"); r.OK() || !strings.Contains(all, c.want) || c.want == "cannot be read" && !strings.Contains(all, "has no row") {
			t.Errorf("%s: the audit says %q, want %q", c.name, r.Offences, c.want)
		}
	}
}
