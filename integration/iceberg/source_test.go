//go:build integration && iceberg

package iceberg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/s3store"
)

// foreignRow is a row of a table that others have made.
type foreignRow struct {
	Name     string `json:"name,omitempty"`
	Place    string `json:"place,omitempty"`
	ETag     string `json:"etag,omitempty"`
	Sentence string `json:"sentence,omitempty"`
}

// foreignState is what foreign.py says of a table.
type foreignState struct {
	Snapshot int64
	Rows     int
	Files    int
	Deletes  int
}

// foreign runs foreign.py; batches of rows go to it, and its answer into into.
func (s *site) foreign(t testing.TB, catalog map[string]string, into any, batches [][]foreignRow, table, act string, args ...string) {
	t.Helper()
	var in bytes.Buffer
	for i, rows := range batches {
		if i > 0 {
			in.WriteByte('\n')
		}
		enc := json.NewEncoder(&in)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := s.python(t, "foreign.py", &in, catalog, table, act, args...)
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// backfills is a configuration of a pipeline for texts that writes files, with a catalog for sources. The commands are built with Iceberg.
func (s *site) backfills(t testing.TB, name string, catalog config.IcebergCatalog, uri string) (*fixture.Site, *config.Config) {
	t.Helper()
	site := s.line()
	p := site.Pipeline(t, name, schemas.Text, "refs")
	p.Heads = p.Heads[:1]
	c := site.Config(p)
	c.Log.Level, c.Kafka.Brokers = "warn", nil          // what other cases have in the broker is no part of this one
	catalog.URIFile = filepath.Join(t.TempDir(), "uri") // a URI may have a password, and secrets are in no configuration that is written
	if err := os.WriteFile(catalog.URIFile, []byte(uri+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Catalog = catalog
	return site, c
}

// wrote reads the rows of a pipeline's files.
func wrote(t testing.TB, site *fixture.Site, pipeline string) (all []schemas.Row) {
	t.Helper()
	dir := site.S3.Download(t, fixture.Bucket, fixture.OutputPrefix+"/"+pipeline+"/")
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".parquet" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := parquetfile.Read(t.Context(), body)
		all = append(all, some...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// aForeignTableIsComputed takes a table that pyiceberg has made, with a column that was renamed and rows that duckdb has taken away by position, through a run that is killed again and again. Texts of the
// rows and objects that they name are computed alike.
func aForeignTableIsComputed(t *testing.T, s *site) {
	const rows, kills = 120, 3
	site, c := s.backfills(t, "cities", config.IcebergCatalog{}, s.rest)
	batches, table := make([][]foreignRow, 2), "ns.foreign"
	for i := range rows {
		body := fmt.Sprintf("Will it rain in city %d tomorrow?", i)
		uri, etag := site.Put(t, fmt.Sprintf("texts/%03d ü.txt", i), []byte(body))
		batches[i*2/rows] = append(batches[i*2/rows], foreignRow{Name: fmt.Sprintf("city %d", i), Place: uri, ETag: etag, Sentence: body})
	}
	batches[1] = append(batches[1], foreignRow{Name: "nowhere", Sentence: "nowhere"}) // a dead letter: it names no object
	var made foreignState
	s.foreign(t, s.restCatalog(), &made, batches, table, "make")
	s.foreign(t, s.restCatalog(), &made, nil, table, "take-away", "name in ('city 3', 'city 4', 'city 90')")
	if made.Rows != rows+1-3 || made.Deletes == 0 {
		t.Fatalf("the table is not what the test is about: %+v", made)
	}
	run := []string{"run", "--source", "iceberg://" + table, "--column", "id=name", "--column", "uri=location", "--max-rate", "60/s"}
	r := rand.New(rand.NewPCG(8, 1))
	killed := 0
	for k := range kills {
		p := site.StartBackfill(t, fmt.Sprint("foreign-", k), c, run...)
		select {
		case <-p.Exited():
		case <-time.After(time.Duration(300+r.IntN(1500)) * time.Millisecond):
			p.Kill(t)
		}
		if p.Wait(t, time.Minute).ExitCode() != 0 {
			killed++
		}
	}
	if killed < 2 {
		t.Errorf("only %d of %d kills came before the end", killed, kills)
	}
	if code, out := site.Backfill(t, "foreign-last", c, run...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	var names, got []string
	s.foreign(t, s.restCatalog(), &names, nil, table, "names")
	names = slices.DeleteFunc(names, func(n string) bool { return n == "nowhere" })
	for _, row := range wrote(t, site, "cities") {
		got = append(got, row.RefID)
	}
	slices.Sort(got)
	if !slices.Equal(got, names) || len(names) != rows-3 {
		t.Errorf("rows of %d references, and pyiceberg reads %d names", len(got), len(names))
	}
	if all, code := site.AuditCommand(t, "foreign-audit", c); code != 0 || len(all) != 1 || all[0].Computed != rows-3 || all[0].Dead != 1 {
		t.Errorf("the audit has exit code %d: %+v", code, all)
	}

	s.foreign(t, s.restCatalog(), &made, [][]foreignRow{batches[0][:1]}, table, "append") // it has been computed
	for name, x := range map[string]struct {
		args []string
		want string
	}{
		"the objects again": {[]string{"--column", "id=name", "--column", "uri=location"}, fmt.Sprintf("1 of %d references; %d are computed already\nsnapshot           %d\n", rows-1, rows-2, made.Snapshot)},
		"the texts":         {[]string{"--column", "id=name", "--column", "inline_text=sentence"}, fmt.Sprintf("%d of %d references; 0 are", rows-1, rows-1)},
		"without names":     {[]string{"--column", "inline_text=sentence"}, "--column id=NAME says which column"},
		"an old name":       {[]string{"--column", "uri=place"}, "it has no column place for uri; its columns are name, location, etag, sentence, size, made, score"},
		"a time":            {[]string{"--column", "uri=made"}, "its column made is of type timestamptz, neither text nor a whole number"},
		"keys":              {[]string{"--include", "*.txt"}, "a table has no keys"},
	} {
		_, out := site.Backfill(t, "foreign-"+name, c, append([]string{"plan", "--source", "iceberg://" + table, "--try", "0", "--out", "s3://" + fixture.Bucket + "/plans/" + strings.ReplaceAll(name, " ", "-")}, x.args...)...)
		if !strings.Contains(out, x.want) {
			t.Errorf("%s: want %q in\n%s", name, x.want, out)
		}
	}
	code, out := site.Backfill(t, "foreign-texts", c, "run", "--plan", "s3://"+fixture.Bucket+"/plans/the-texts")
	if all, audit := site.AuditCommand(t, "texts-audit", c); code != 0 || audit != 0 || len(all) != 2 || all[0].Computed+all[1].Computed != rows-3+rows-1 {
		t.Errorf("exit codes %d and %d, %+v\n%s", code, audit, all, out)
	}
}

// aPlanKeepsItsSnapshot kills a plan of a large table of a SQL catalog when a part of it is written, has pyiceberg change the table, and goes on: the plan is of the table as it was.
func aPlanKeepsItsSnapshot(t *testing.T, s *site) {
	const rows, files = 450_000, 3
	db := filepath.Join(t.TempDir(), "source.db")
	python := map[string]string{"type": "sql", "uri": "sqlite:///" + db, "warehouse": "s3://" + bucket + "/sources", "name": "test"}
	site, c := s.backfills(t, "large", config.IcebergCatalog{Name: "test", Warehouse: "s3://" + bucket + "/sources"}, "sqlite://"+db)
	batches := make([][]foreignRow, files)
	for i := range rows {
		batches[i*files/rows] = append(batches[i*files/rows], foreignRow{Name: fmt.Sprint("c", i), Place: fmt.Sprintf("s3://%s/in/%07d.txt", fixture.Bucket, i)})
	}
	var was, is foreignState
	s.foreign(t, python, &was, batches, "ns.large", "make")
	at := plan.Place{Store: s3store.New(s.s3.Client(), fixture.Bucket, s3store.Options{}), Prefix: "plans/large"}
	command := []string{"plan", "--source", "iceberg://ns.large", "--column", "id=name", "--column", "uri=location", "--try", "0", "--out", "s3://" + fixture.Bucket + "/plans/large"}
	p := site.StartBackfill(t, "large", c, command...)
	for {
		if _, err := at.Store.Stat(t.Context(), at.Prefix+"/progress.json"); err == nil {
			break
		}
		select {
		case <-p.Exited():
			t.Fatalf("it ended before anything was saved\n%s", p.Log())
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.Kill(t)
	if _, err := plan.Open(t.Context(), at); err == nil {
		t.Fatal("the plan was complete when it was killed: the table is too small")
	}
	s.foreign(t, python, &is, [][]foreignRow{batches[0][:10]}, "ns.large", "append")
	s.foreign(t, python, &is, nil, "ns.large", "delete", "name in ('c1', 'c250000', 'c449999')")
	if is.Snapshot == was.Snapshot || is.Rows != rows+7-1 {
		t.Fatalf("the table has %+v, had %+v", is, was)
	}
	p = site.StartBackfill(t, "large-again", c, command...)
	state := p.Wait(t, 5*time.Minute)
	if code := state.ExitCode(); code != 0 || !strings.Contains(p.Log(), fmt.Sprintf("%d of %d references", rows, rows)) || !strings.Contains(p.Log(), fmt.Sprint(was.Snapshot)) {
		t.Fatalf("exit code %d, want snapshot %d\n%s", code, was.Snapshot, p.Log())
	}
	list, err := plan.Open(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	next, err := list.From(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, rows)
	for range rows {
		value, err := next()
		if err != nil {
			t.Fatal(err)
		}
		ref, err := schemas.ParseRef(value)
		n := -1
		if _, scanErr := fmt.Sscanf(ref.ID, "c%d", &n); err != nil || scanErr != nil || seen[n] || ref.URI != batches[0][0].Place[:len(batches[0][0].Place)-11]+fmt.Sprintf("%07d.txt", n) {
			t.Fatalf("reference %s is wrong or there twice: %v", value, err)
		}
		seen[n] = true
	}
	t.Logf("planned %d rows, %d MiB of memory at most", rows, state.SysUsage().(*syscall.Rusage).Maxrss>>10)
}
