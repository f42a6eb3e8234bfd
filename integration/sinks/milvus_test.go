//go:build integration

package sinks

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/milvussink"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// milvus is a server of milvus-lite.
type milvus struct {
	url   string
	judge *judge
	n     atomic.Int64 // collections given out
}

func startMilvus(t testing.TB) *milvus {
	t.Helper()
	packages := harness.Packages(t)
	dir, port := t.TempDir(), fmt.Sprint(harness.FreePort(t))
	harness.Start(t, harness.Command{
		Name: "milvus-lite", Path: "python3", Log: filepath.Join(dir, "log"), Env: []string{"PYTHONPATH=" + packages},
		Args: []string{"-m", "milvus_lite", "server", "--host", "127.0.0.1", "--port", port, "--data-dir", filepath.Join(dir, "data")},
	})
	s := &milvus{url: "http://127.0.0.1:" + port}
	awaitPort(t, port)
	s.judge = startJudge(t, packages, "read_milvus.py", s.url)
	return s
}

func (s *milvus) config(collection string) milvussink.Config {
	c := milvussink.NewDefaultConfig()
	c.URL, c.Collection = s.url, collection
	c.Index = vectorindex.Spec{Heads: []string{"head"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}
	c.Deliver.BatchAge, c.Deliver.Retry = 20*time.Millisecond, retry.Policy{Attempts: 100, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	return c
}

func (s *milvus) open(t testing.TB, c milvussink.Config) *deliver.Sink {
	t.Helper()
	sink, err := milvussink.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) }) // for those that crash
	return sink
}

// question is what is asked of pymilvus (read_milvus.py).
type question struct {
	Collection string    `json:"collection"`
	Near       []float32 `json:"near"`
	Filter     string    `json:"filter"`
	Most       int       `json:"most"`
	Forget     string    `json:"forget"`
	Make       string    `json:"make"`
}

// read is what pymilvus finds: all rows, and the row ids nearest to a vector.
func (s *milvus) read(t testing.TB, q question) (rows []schemas.Row, nearest []string) {
	t.Helper()
	var out struct {
		Entities []json.RawMessage
		Nearest  []string
	}
	s.judge.ask(t, q, &out)
	for _, e := range out.Entities {
		row, err := jsonrow.Parse(e)
		if err != nil {
			t.Fatalf("%v in %s", err, e)
		}
		rows = append(rows, row)
	}
	return rows, out.Nearest
}

// whole are rows with a vector each: others are passed over by this output.
var whole = []float32{1, 2, 3, 4}

// vectors gives the rows of every task a vector on their way to the sink, which the suite's audit does not look for in rows of other tasks than embedding.
type vectors struct{ *deliver.Sink }

func (v vectors) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	for i := range rows {
		if len(rows[i].Vector)+len(rows[i].Half) == 0 {
			rows[i].Vector = whole
		}
	}
	return v.Sink.Write(ctx, r, rows, done)
}

func (s *milvus) account(t testing.TB, collection string, src schemas.SourceID) (a sinktest.Account) {
	rows, _ := s.read(t, question{Collection: collection})
	for _, row := range rows {
		if row.Topic != src.Topic || row.Partition != src.Partition {
			continue
		}
		switch row.Task {
		case schemas.TaskEmbedding:
		case schemas.TaskXVector: // which the suite gives in half precision
			row.Vector, row.Half = nil, sinktest.Row(src, row.Offset, row.Window).Half
		default:
			row.Vector = nil
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

func TestMilvus(t *testing.T) {
	s := startMilvus(t)
	way := startWire(t, s.url)
	t.Run("the sink conforms", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
			name := fmt.Sprintf("rows_%d", s.n.Add(1))
			s.judge.ask(t, question{Make: name}, &struct{}{})
			return sinktest.Fixture{
				Open: func(t testing.TB) sinks.Sink {
					c := s.config(name)
					c.URL = way.url()
					return vectors{s.open(t, c)}
				},
				Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return s.account(t, name, src) },
				Upserts: true, Deletes: true,
				Break:  way.away,
				Poison: func(r *schemas.Row) { r.RefID = strings.Repeat("x", 201) }, // which this collection's field does not take
			}
		})
	})
	t.Run("collections that do not fit are refused", func(t *testing.T) { milvusRefusals(t, s) })
	t.Run("rows without a vector are passed over, and the nearest is found", func(t *testing.T) { milvusSearch(t, s) })
	t.Run("a search with a filter finds the nearest that meet it, and all of them", func(t *testing.T) { milvusFilters(t, s) })
	t.Run("a deletion finds any reference", func(t *testing.T) { milvusNames(t, s) })
	t.Run("a cut-over brings readers to the new collection", func(t *testing.T) {
		readersFollow(t, "collection", func(place string) config.Output {
			return config.Output{Milvus: &config.Milvus{URL: s.url, Collection: place, Batch: soon}}
		}, func(name string) sinks.Sink { return vectors{s.open(t, s.config(name))} }, func(name string) []schemas.Row {
			rows, _ := s.read(t, question{Collection: name})
			return rows
		})
	})
}

func milvusRefusals(t *testing.T, s *milvus) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r, rows := sinktest.Make(src, 0, 5)
	put(t, s.open(t, s.config("fits")), r, rows...)
	milvusMisfits(t, s)
	s.judge.ask(t, question{Collection: "fits", Forget: "vecmill.model_digest"}, &struct{}{})
	milvusMisfits(t, s) // by what its entities say
	fixture.DoctorRefuses(t, fmt.Sprintf("milvus: {url: %q, collection: fits, dimension: 96}", s.url), "its vectors have 4 numbers, and the model gives 96; name another collection")
	s.open(t, s.config("fits"))
}

func milvusMisfits(t *testing.T, s *milvus) {
	t.Helper()
	for _, c := range []struct {
		name, want string
		change     func(*milvussink.Config)
	}{
		{"another model", "has rows of model m, and this is model n", func(c *milvussink.Config) { c.Index.ModelDigest = "n" }},
		{"another dimension", "its vectors have 4 numbers, and the model gives 5", func(c *milvussink.Config) { c.Index.Dimension = 5 }},
		{"another metric", "its index has the metric L2, and metric is cosine", func(c *milvussink.Config) { c.Index.Metric = vectorindex.Cosine }},
	} {
		cfg := s.config("fits")
		c.change(&cfg)
		_, err := milvussink.Open(context.Background(), cfg)
		sinktest.CheckClass(t, c.name, err)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// put makes rows durable, in a range of their own offsets.
func put(t *testing.T, sink sinks.Sink, r schemas.Range, rows ...schemas.Row) {
	t.Helper()
	if _, _, err := sink.Resume(t.Context(), r.Source, 0); err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), r, rows, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := sink.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func milvusSearch(t *testing.T, s *milvus) {
	sink := s.open(t, s.config("search"))
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r, all := sinktest.Make(src, 0, 300)
	put(t, sink, r, all...)
	rows, nearest := s.read(t, question{Collection: "search", Near: []float32{99, -0.5, 0.25, 0}, Most: 3})
	want := 0
	for i := range all {
		if len(all[i].Vector)+len(all[i].Half) > 0 {
			want++
		}
	}
	if len(rows) != want || want == len(all) {
		t.Errorf("%d entities, want %d of %d rows", len(rows), want, len(all))
	}
	if len(nearest) == 0 || nearest[0] != sinktest.Row(src, 99, 0).RowID {
		t.Errorf("the nearest are %v, want the row of offset 99 first", nearest)
	}
}

// milvusFilters asks for the nearest rows that meet a condition, of columns that every entity has and of those that only some have, with two heads in one collection.
func milvusFilters(t *testing.T, s *milvus) {
	c := s.config("filters")
	c.Index.Heads = []string{"head", "other"}
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.MakeOf([]schemas.Task{schemas.TaskEmbedding}, src, 0, 200)
	for i := range rows {
		if i%3 == 0 {
			rows[i].Head = "other"
			rows[i].RowID = schemas.RowID(&rows[i].Lineage)
		}
	}
	given := slices.Clone(rows) // a sink owns what is written
	put(t, s.open(t, c), r, rows...)
	near := []float32{120.3, -0.5, 0.25, 0.25}
	distance := func(r *schemas.Row) (d float64) {
		for i, v := range r.Vector {
			d += float64(v-near[i]) * float64(v-near[i])
		}
		return d
	}
	slices.SortFunc(given, func(a, b schemas.Row) int { return cmp.Compare(distance(&a), distance(&b)) }) // no two are as far
	for filter, meets := range map[string]func(*schemas.Row) bool{
		``:                                    func(*schemas.Row) bool { return true },
		`head == "other"`:                     func(r *schemas.Row) bool { return r.Head == "other" },
		`head == "nobody's"`:                  func(*schemas.Row) bool { return false },
		`offset >= 90 and offset < 140`:       func(r *schemas.Row) bool { return r.Offset >= 90 && r.Offset < 140 },
		`window == 1 and model_digest == "m"`: func(r *schemas.Row) bool { return r.Window == 1 },
		`modality == "image"`:                 func(r *schemas.Row) bool { return r.Modality == schemas.Image },
		`attributes["tenant"] == "2"`:         func(r *schemas.Row) bool { return r.Attributes["tenant"] == "2" },
		`truncated == true and head == "head" and uri like "s3://bucket/1%"`: func(r *schemas.Row) bool {
			return r.Truncated && r.Head == "head" && strings.HasPrefix(r.URI, "s3://bucket/1")
		},
	} {
		want := []string{}
		for i := range given {
			if meets(&given[i]) {
				want = append(want, given[i].RowID)
			}
		}
		for _, most := range []int{5, len(given) + 1} {
			_, got := s.read(t, question{Collection: "filters", Near: near, Filter: filter, Most: most})
			if !slices.Equal(got, want[:min(most, len(want))]) {
				t.Errorf("%s: %d rows, want the %d nearest of %d that meet it, beginning with %v, not %v", filter, len(got), min(most, len(want)), len(want), want[:min(3, len(want))], got[:min(3, len(got))])
			}
		}
	}
}

func milvusNames(t *testing.T, s *milvus) {
	sink := s.open(t, s.config("names"))
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	names := []string{`a "quoted" one`, `back\slash\`, "new\nline", "süß ✓", `' or 1 == 1 or '`, "plain"}
	var rows []schemas.Row
	for i, name := range names {
		row := sinktest.Row(src, 0, i)
		row.Offset, row.RefID = int64(i), name
		row.RowID = schemas.RowID(&row.Lineage)
		rows = append(rows, row)
	}
	n := int64(len(names))
	put(t, sink, schemas.Range{Source: src, Span: schemas.Span{First: 0, Next: n}}, rows...)
	if got, _ := s.read(t, question{Collection: "names"}); len(got) != len(names) {
		t.Fatalf("%d entities before the tombstones, want %d", len(got), len(names))
	}
	gone := schemas.Range{Source: src, Span: schemas.Span{First: n, Next: 2*n - 1}, Skipped: []schemas.Span{{First: n, Next: 2*n - 1}}}
	for i, name := range names[:n-1] {
		gone.Deletes = append(gone.Deletes, schemas.Deletion{Offset: n + int64(i), RefID: name})
	}
	put(t, sink, gone)
	if got, _ := s.read(t, question{Collection: "names"}); len(got) != 1 || got[0].RefID != "plain" {
		t.Errorf("%d entities after the tombstones, want the one that is plain", len(got))
	}
}
