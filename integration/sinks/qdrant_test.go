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
	"vecmill/sinks/qdrantsink"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// qdrant is Qdrant's own engine in Python behind its gRPC definitions (serve_qdrant.py), and its own client, which reads.
type qdrant struct {
	url   string
	judge *judge
	n     atomic.Int64 // collections given out
}

func startQdrant(t *testing.T) *qdrant {
	t.Helper()
	packages, port := harness.Packages(t), fmt.Sprint(harness.FreePort(t))
	harness.Start(t, harness.Command{
		Name: "qdrant", Path: "python3", Log: filepath.Join(t.TempDir(), "log"), Env: []string{"PYTHONPATH=" + packages}, Args: []string{"serve_qdrant.py", port},
	})
	awaitPort(t, port)
	return &qdrant{url: "http://127.0.0.1:" + port, judge: startJudge(t, packages, "read_qdrant.py", port)}
}

func (s *qdrant) config(collection string) qdrantsink.Config {
	c := qdrantsink.NewDefaultConfig()
	c.URL, c.Collection = s.url, collection
	c.Index = vectorindex.Spec{Heads: []string{"head", "other"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}
	c.Deliver.BatchAge, c.Deliver.Retry = 20*time.Millisecond, retry.Policy{Attempts: 100, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	return c
}

func (s *qdrant) open(t testing.TB, c qdrantsink.Config) *deliver.Sink {
	t.Helper()
	sink, err := qdrantsink.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) }) // for those that crash
	return sink
}

// search is what is asked of Qdrant's client.
type search struct {
	Collection string         `json:"collection"`
	Near       []float32      `json:"near"`
	Using      string         `json:"using"`
	Filter     map[string]any `json:"filter"`
	Most       int            `json:"most"`
}

// read is what the client finds: all points as rows, and the row ids nearest to a vector.
func (s *qdrant) read(t testing.TB, q search) (rows []schemas.Row, nearest []string) {
	t.Helper()
	var out struct {
		Points []struct {
			ID      string
			Payload json.RawMessage
			Vectors map[string][]float32
		}
		Nearest []string
	}
	s.judge.ask(t, q, &out)
	for _, p := range out.Points {
		row, err := jsonrow.Parse(p.Payload)
		if err != nil {
			t.Fatalf("%v in %s", err, p.Payload)
		}
		if strings.ReplaceAll(p.ID, "-", "") != row.RowID {
			t.Errorf("row %s is point %s", row.RowID, p.ID)
		}
		row.Vector = p.Vectors[row.Head]
		rows = append(rows, row)
	}
	for _, id := range out.Nearest {
		nearest = append(nearest, strings.ReplaceAll(id, "-", ""))
	}
	return rows, nearest
}

func (s *qdrant) account(t testing.TB, collection string, src schemas.SourceID) (a sinktest.Account) {
	rows, _ := s.read(t, search{Collection: collection})
	for _, row := range rows {
		if row.Topic != src.Topic || row.Partition != src.Partition {
			continue
		}
		if row.Task == schemas.TaskXVector { // which the suite gives in half precision
			row.Vector, row.Half = nil, sinktest.Row(src, row.Offset, row.Window).Half
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

func TestQdrant(t *testing.T) {
	s := startQdrant(t)
	way := startWire(t, s.url)
	t.Run("the sink conforms", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(testing.TB) sinktest.Fixture {
			name := fmt.Sprintf("rows_%d", s.n.Add(1))
			return sinktest.Fixture{
				Open: func(t testing.TB) sinks.Sink {
					c := s.config(name)
					c.URL = way.url()
					return s.open(t, c)
				},
				Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return s.account(t, name, src) },
				Upserts: true, Deletes: true,
				Break:  way.away,
				Poison: func(r *schemas.Row) { r.Attributes = map[string]string{"poison": "yes"} },
			}
		})
	})
	t.Run("doctor names a collection of another dimension", func(t *testing.T) {
		c := s.config("doctor")
		c.Index.Heads = []string{"embedding"}
		s.open(t, c)
		fixture.DoctorRefuses(t, fmt.Sprintf("qdrant: {url: %q, collection: doctor, dimension: 96}", s.url), "its vector embedding has 4 numbers, and the model gives 96; name another collection")
	})
	t.Run("a search by a head's vector with a filter finds the nearest that meet it, and all of them", func(t *testing.T) { qdrantFilters(t, s) })
	t.Run("a cut-over brings readers to the new collection", func(t *testing.T) {
		readersFollow(t, "collection", func(place string) config.Output {
			return config.Output{Qdrant: &config.Qdrant{URL: s.url, Collection: place, Batch: soon}}
		}, func(name string) sinks.Sink { return s.open(t, s.config(name)) }, func(name string) []schemas.Row {
			rows, _ := s.read(t, search{Collection: name})
			return rows
		})
	})
}

// must, mustNot and is are parts of a filter.
func must(conditions ...map[string]any) map[string]any { return map[string]any{"must": conditions} }

func mustNot(conditions ...map[string]any) map[string]any {
	return map[string]any{"must_not": conditions}
}

func is(field string, value any) map[string]any {
	return map[string]any{"key": field, "match": map[string]any{"value": value}}
}

// qdrantFilters asks for the nearest rows that meet a condition on their payloads, among the vectors of each head.
func qdrantFilters(t *testing.T, s *qdrant) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.MakeOf([]schemas.Task{schemas.TaskEmbedding}, src, 0, 200)
	for i := range rows {
		if i%3 == 0 {
			rows[i].Head = "other"
			rows[i].RowID = schemas.RowID(&rows[i].Lineage)
		}
	}
	given := slices.Clone(rows) // a sink owns what is written
	put(t, s.open(t, s.config("filters")), r, rows...)
	near := []float32{120.3, -0.5, 0.25, 0.25}
	distance := func(r *schemas.Row) (d float64) {
		for i, v := range r.Vector {
			d += float64(v-near[i]) * float64(v-near[i])
		}
		return d
	}
	slices.SortFunc(given, func(a, b schemas.Row) int { return cmp.Compare(distance(&a), distance(&b)) }) // no two are as far
	for _, c := range []struct {
		filter map[string]any
		meets  func(*schemas.Row) bool
	}{
		{nil, func(*schemas.Row) bool { return true }},
		{must(is("ref_id", "nobody's")), func(*schemas.Row) bool { return false }},
		{must(map[string]any{"key": "offset", "range": map[string]any{"gte": 90, "lt": 140}}), func(r *schemas.Row) bool { return r.Offset >= 90 && r.Offset < 140 }},
		{must(is("window", 1), is("model_digest", "m")), func(r *schemas.Row) bool { return r.Window == 1 }},
		{must(is("modality", "image")), func(r *schemas.Row) bool { return r.Modality == schemas.Image }},
		{must(is("attributes.tenant", "2")), func(r *schemas.Row) bool { return r.Attributes["tenant"] == "2" }},
		{must(is("truncated", true)), func(r *schemas.Row) bool { return r.Truncated }},
		{mustNot(is("modality", "image"), is("attributes.tenant", "2")), func(r *schemas.Row) bool { return r.Modality != schemas.Image && r.Attributes["tenant"] != "2" }},
	} {
		for _, head := range []string{"head", "other"} {
			want := []string{}
			for i := range given {
				if given[i].Head == head && c.meets(&given[i]) {
					want = append(want, given[i].RowID)
				}
			}
			for _, most := range []int{5, len(given) + 1} {
				_, got := s.read(t, search{Collection: "filters", Near: near, Using: head, Filter: c.filter, Most: most})
				if !slices.Equal(got, want[:min(most, len(want))]) {
					t.Errorf("%v of head %s: %d rows, want the %d nearest of %d that meet it, beginning with %v, not %v",
						c.filter, head, len(got), min(most, len(want)), len(want), want[:min(3, len(want))], got[:min(3, len(got))])
				}
			}
		}
	}
}
