//go:build iceberg

package icebergcatalog

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/icebergsink"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/sinktest"
)

// lake is a SQLite catalog and a directory.
type lake struct{ dir string }

func openFile(_ context.Context, url string) (icebergsink.Store, string, error) {
	p := strings.TrimPrefix(url, "file://")
	s, err := dirstore.Open(path.Dir(p))
	return s, path.Base(p), err
}

func (l lake) config(tasks ...schemas.Task) Config {
	return Config{
		URI: "sqlite://" + filepath.Join(l.dir, "catalog.db"), Name: "test", Warehouse: "file://" + filepath.Join(l.dir, "wh"),
		Table: "ns.rows", Files: openFile, Create: true, Tasks: tasks, ModelDigest: "m", Retry: retry.Policy{Attempts: 5, Base: 20 * time.Millisecond, Max: time.Second},
	}
}

func (l lake) open(t testing.TB, c Config) *icebergsink.Sink {
	t.Helper()
	tbl, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := icebergsink.NewDefaultConfig()
	s.Table, s.Name, s.Files, s.Tasks, s.ModelDigest, s.Compression = tbl, c.Table, c.Files, c.Tasks, c.ModelDigest, parquetfile.Snappy
	s.Retry = retry.Policy{Attempts: 50, Base: 10 * time.Millisecond, Max: 200 * time.Millisecond}
	sink, err := icebergsink.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) }) // cases that look at its error close it themselves
	return sink
}

// read is the account of a source by the snapshots' ranges and the data files of the current snapshot, as the library lists them.
func (l lake) read(t testing.TB, c Config, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	r, err := OpenReader(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, p := range r.Parts(src) {
		a.Dead, a.Skipped, a.Lost = append(a.Dead, p.Range.Dead...), append(a.Skipped, p.Range.Skipped...), append(a.Lost, p.Range.Lost...)
	}
	ctx := withFiles(context.Background(), openFile)
	tasks, err := r.tbl.Scan().PlanFiles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tasks {
		body, err := files{ctx, openFile}.ReadFile(f.File.FilePath())
		if err != nil {
			t.Fatal(err)
		}
		rows, err := parquetfile.Read(context.Background(), body)
		if err != nil {
			t.Fatal(err)
		}
		gone, err := r.t.gone(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if rows[i].Topic == src.Topic && rows[i].Partition == src.Partition && !gone[int64(i)] {
				a.Rows = append(a.Rows, rows[i])
			}
		}
	}
	return a
}

func TestSinkConformsOnASQLiteCatalog(t *testing.T) {
	if testing.Short() {
		t.Skip("real files")
	}
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		l := lake{t.TempDir()}
		c := l.config(schemas.Tasks()...)
		return sinktest.Fixture{
			Open:      func(t testing.TB) sinks.Sink { return l.open(t, c) },
			OpenFewer: func(t testing.TB) sinks.Sink { return l.open(t, l.config(schemas.TaskEmbedding)) },
			Read:      func(t testing.TB, src schemas.SourceID) sinktest.Account { return l.read(t, c, src) },
			Chained:   true, RecordsFates: true, Deletes: true,
		}
	})
}

// TestRowsAreRecalledFromTheFilesOfTheTable asks one sink for what another one of the same table has committed, beside another source.
func TestRowsAreRecalledFromTheFilesOfTheTable(t *testing.T) {
	l := lake{t.TempDir()}
	c := l.config(schemas.Tasks()...)
	first, src := l.open(t, c), schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	want := map[string]schemas.Row{}
	for _, from := range []int64{0, 20, 40} {
		write(t, first, schemas.Tasks(), schemas.SourceID{Pipeline: "p", Topic: "t"}, from, from+20)
		write(t, first, schemas.Tasks(), src, from, from+20)
		_, rows := sinktest.MakeOf(schemas.Tasks(), src, from, from+20)
		for _, r := range rows {
			if r.Offset >= 5 && r.Offset < 47 {
				want[r.RowID+r.Head] = r
			}
		}
	}
	at, n := int64(5), 0
	if err := l.open(t, c).Recall(t.Context(), src, schemas.Span{First: 5, Next: 47}, func(r schemas.Range, rows []schemas.Row) error {
		if r.First != at {
			t.Errorf("a range begins at %d, want %d", r.First, at)
		}
		at, n = r.Next, n+len(rows)
		for _, row := range rows {
			if w, ok := want[row.RowID+row.Head]; !ok || !reflect.DeepEqual(row, w) {
				t.Errorf("offset %d: %+v, want %+v", row.Offset, row, w)
			}
		}
		return nil
	}); err != nil || at != 47 || n != len(want) {
		t.Errorf("up to %d, %d rows of %d, %v", at, n, len(want), err)
	}
}

func write(t testing.TB, s *icebergsink.Sink, tasks []schemas.Task, src schemas.SourceID, first, next int64) {
	t.Helper()
	if _, _, err := s.Resume(context.Background(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.MakeOf(tasks, src, first, next)
	outcome := make(chan error, 1)
	if err := s.Write(context.Background(), r, rows, func(err error) { outcome <- err }); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Fatal(err)
	}
}

func TestATaskMoreIsColumnsMoreAndEarlierRowsStay(t *testing.T) {
	l, src := lake{t.TempDir()}, schemas.SourceID{Pipeline: "p", Topic: "t"}
	one, two := []schemas.Task{schemas.TaskEmbedding}, []schemas.Task{schemas.TaskEmbedding, schemas.TaskTranscript}
	write(t, l.open(t, l.config(one...)), one, src, 0, 20)
	write(t, l.open(t, l.config(two...)), two, src, 20, 40)
	write(t, l.open(t, l.config(one...)), one, src, 40, 60) // a worker that knows less goes on
	r, err := OpenReader(context.Background(), l.config())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, faults, err := r.Rows(context.Background(), src, 0, 60)
	_, want := sinktest.MakeOf(one, src, 0, 60)
	if err != nil || len(faults) > 0 || len(rows) != len(want) {
		t.Errorf("%d rows, want %d: %v, %v", len(rows), len(want), faults, err)
	}
	if _, ok := r.tbl.Schema().FindFieldByName("words"); !ok {
		t.Error("there is no column words")
	}
	strict := l.config(two...)
	strict.Table, strict.Create = "ns.other", false
	if _, err := Open(context.Background(), strict); err == nil || !strings.Contains(err.Error(), "there is no table ns.other") {
		t.Errorf("a table that is not there and must not be made: %v", err)
	}
}

// TestWorkersThatStartTogetherMakeOneTable opens a table that is not there yet from several workers, each of another task.
func TestWorkersThatStartTogetherMakeOneTable(t *testing.T) {
	l := lake{t.TempDir()}
	tasks := schemas.Tasks()
	c := l.config(tasks[0])
	c.Retry = retry.Policy{Attempts: 50, Base: 10 * time.Millisecond, Max: 200 * time.Millisecond}
	failed := make(chan error, len(tasks)) // one each
	for _, task := range tasks {
		go func() {
			c := c
			c.Tasks = []schemas.Task{task}
			tbl, err := Open(context.Background(), c)
			if err == nil {
				err = tbl.Close()
			}
			failed <- err
		}()
	}
	for range tasks {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	r, err := OpenReader(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range wantedSchema(tasks).Fields() {
		if _, ok := r.tbl.Schema().FindFieldByName(f.Name); !ok {
			t.Errorf("there is no column %s", f.Name)
		}
	}
}

func TestTablesThatDoNotFitAreRefused(t *testing.T) {
	l := lake{t.TempDir()}
	first := l.config(schemas.TaskEmbedding)
	first.Partition = []string{"task", "day(created_at)"}
	tbl, err := Open(context.Background(), first)
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Close()
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"another model", func(c *Config) { c.ModelDigest = "n" }, "has rows of model m, and this pipeline's is n"},
		{"other partitions", func(c *Config) { c.Partition = []string{"day(created_at)"} }, "is partitioned by"},
		{"a partition of nothing", func(c *Config) { c.Table, c.Partition = "ns.b", []string{"day(nothing)"} }, "there is no column nothing"},
		{"a partition that is no transform", func(c *Config) { c.Partition = []string{"day(created_at"} }, "is not a column, or a transform"},
		{"a transform that does not work on the column", func(c *Config) { c.Table, c.Partition = "ns.b", []string{"day(task)"} }, "does not work on a column of type string"},
		{"a partition by what a row does not have at hand", func(c *Config) { c.Table, c.Partition = "ns.c", []string{"uri"} }, "which this build cannot compute"},
		{"a column more, and nobody may add it", func(c *Config) { c.Create, c.Tasks = false, []schemas.Task{schemas.TaskTranscript} }, "it lacks column text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := first
			c.change(&conf)
			got, err := Open(context.Background(), conf)
			if c.name == "another model" {
				sinktest.CheckClass(t, c.name, err)
			}
			if err == nil {
				got.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	same := first
	same.Partition = nil
	again, err := Open(context.Background(), same)
	if err != nil {
		t.Fatalf("the table as it is: %v", err)
	}
	again.Close()
}

func TestRowsGoToTheirPartitions(t *testing.T) {
	l, src := lake{t.TempDir()}, schemas.SourceID{Pipeline: "p", Topic: "t"}
	tasks := []schemas.Task{schemas.TaskEmbedding, schemas.TaskLabels}
	c := l.config(tasks...)
	c.Partition = []string{"task", "day(created_at)", "bucket(3, ref_id)", "truncate(10, offset)"}
	write(t, l.open(t, c), tasks, src, 0, 60)
	a := l.read(t, c, src)
	a.Tasks = tasks
	if err := a.Audit(src, 0, 60, true); err != nil {
		t.Error(err)
	}
	r, err := OpenReader(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for first := int64(0); first < 60; first += 7 { // pruning by partitions and bounds loses nothing
		rows, faults, err := r.Rows(context.Background(), src, first, min(first+7, 60))
		_, want := sinktest.MakeOf(tasks, src, first, min(first+7, 60))
		if err != nil || len(faults) > 0 || len(rows) != len(want) {
			t.Errorf("from %d on: %d rows, want %d: %v, %v", first, len(rows), len(want), faults, err)
		}
	}
	seen := map[string]bool{}
	plan, err := r.tbl.Scan().PlanFiles(withFiles(context.Background(), openFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range plan {
		seen[fmt.Sprint(f.File.Partition())] = true
	}
	if len(seen) != len(plan) || len(seen) < 6 {
		t.Errorf("%d files in %d partitions", len(plan), len(seen))
	}
}
