//go:build integration

package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
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
	"vecmill/sinks/opensearchsink"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// openSearch is a cluster of one node.
type openSearch struct {
	url string
	n   atomic.Int64 // indexes given out
}

func startOpenSearch(t testing.TB) *openSearch {
	t.Helper()
	at, dir, port := harness.OpenSearch(t), t.TempDir(), fmt.Sprint(harness.FreePort(t))
	if err := os.Mkdir(filepath.Join(dir, "config"), 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	harness.Start(t, harness.Command{
		Name: "opensearch", Path: "java", Log: log, Args: []string{
			"-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", filepath.Join(at, "classes") + ":" + filepath.Join(at, "lib", "*"), "Main", dir, port, fmt.Sprint(harness.FreePort(t)),
		},
	})
	s := &openSearch{url: "http://127.0.0.1:" + port}
	for range 1800 {
		if resp, err := fresh.Get(s.url); err == nil {
			_ = resp.Body.Close() // it answers: that is all
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(log)
	t.Fatalf("OpenSearch does not answer: %s", said)
	return nil
}

func (s *openSearch) config(index string) opensearchsink.Config {
	c := opensearchsink.NewDefaultConfig()
	c.URL, c.Name, c.Replicas = s.url, index, 0
	c.Index = vectorindex.Spec{Heads: []string{"head"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}
	c.Deliver.BatchAge, c.Deliver.Retry = 20*time.Millisecond, retry.Policy{Attempts: 100, Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}
	return c
}

func (s *openSearch) open(t testing.TB, c opensearchsink.Config) *deliver.Sink {
	t.Helper()
	sink, err := opensearchsink.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) }) // for those that crash
	return sink
}

// fresh has a connection for each request: a POST on one that the server has just given up is not tried again.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// ask is a request to the server, and its answer.
func (s *openSearch) ask(t testing.TB, method, path string, body, out any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := fresh.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		t.Fatal(err)
	}
}

// found are the documents that a query of the server finds, best first.
type found struct {
	Hits struct {
		Hits []struct {
			ID     string          `json:"_id"`
			Source json.RawMessage `json:"_source"`
		}
	}
}

func (s *openSearch) search(t testing.TB, index string, query any) (out found) {
	t.Helper()
	s.ask(t, http.MethodPost, "/"+index+"/_refresh", nil, &struct{}{})
	s.ask(t, http.MethodPost, "/"+index+"/_search", query, &out)
	return out
}

func all() any {
	return map[string]any{"size": 10_000, "query": map[string]any{"match_all": map[string]any{}}}
}

func (s *openSearch) account(t testing.TB, index string, src schemas.SourceID) (a sinktest.Account) {
	for _, d := range s.search(t, index, all()).Hits.Hits {
		row, err := jsonrow.Parse(d.Source)
		if err != nil {
			t.Fatalf("%v in %s", err, d.Source)
		}
		if row.RowID != d.ID {
			t.Errorf("row %s is document %s", row.RowID, d.ID)
		}
		if row.Topic != src.Topic || row.Partition != src.Partition {
			continue
		}
		if row.Task == schemas.TaskXVector { // which the suite gives in half precision
			row.Half = sinktest.Row(src, row.Offset, row.Window).Half
			if want := vectorindex.Vector(&row); !slices.Equal(row.Vector, want) {
				t.Errorf("vector %v, want %v", row.Vector, want)
			}
			row.Vector = nil
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

func TestOpenSearch(t *testing.T) {
	s := startOpenSearch(t)
	way := startWire(t, s.url)
	t.Run("the sink conforms", func(t *testing.T) {
		sinktest.Run(t, sinktest.Options{}, func(testing.TB) sinktest.Fixture {
			name := fmt.Sprintf("rows-%d", s.n.Add(1))
			return sinktest.Fixture{
				Open: func(t testing.TB) sinks.Sink {
					c := s.config(name)
					c.URL = way.url()
					return s.open(t, c)
				},
				Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return s.account(t, name, src) },
				Upserts: true, Deletes: true,
				Break:  way.away,
				Poison: func(r *schemas.Row) { r.Model = strings.Repeat("x", 40_000) }, // Lucene's limit of a term is 32,766
			}
		})
	})
	t.Run("an index that does not fit is refused", func(t *testing.T) { openSearchMisfits(t, s) })
	t.Run("the nearest is found, and texts", func(t *testing.T) { openSearchFinds(t, s) })
	t.Run("what a cut-over prints brings readers to the new index", func(t *testing.T) { openSearchCutOver(t, s) })
	t.Run("a cut-over brings readers to the new index", func(t *testing.T) {
		readersFollow(t, "index", s.output, func(name string) sinks.Sink { return s.open(t, s.config(name)) }, func(name string) (rows []schemas.Row) {
			for _, d := range s.search(t, name, all()).Hits.Hits {
				row, err := jsonrow.Parse(d.Source)
				if err != nil {
					t.Fatal(err)
				}
				rows = append(rows, row)
			}
			return rows
		})
	})
	t.Run("a cut-over leaves no index behind that is closed, and other aliases as they are", func(t *testing.T) { openSearchCloses(t, s) })
	t.Run("a vector of zeros is one dead letter", func(t *testing.T) { openSearchZeros(t, s) })
}

func openSearchMisfits(t *testing.T, s *openSearch) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r, rows := sinktest.Make(src, 0, 5)
	put(t, s.open(t, s.config("fits")), r, rows...)
	for _, meta := range []string{"m", ""} { // what the index says of itself, and without that what its documents say
		s.ask(t, http.MethodPut, "/fits/_mapping", map[string]any{"_meta": map[string]any{"vecmill_model_digest": meta}}, &struct{}{})
		s.ask(t, http.MethodPost, "/fits/_refresh", nil, &struct{}{})
		for _, c := range []struct {
			name, want string
			change     func(*opensearchsink.Config)
		}{
			{"another model", "has rows of model m, and this is model n", func(c *opensearchsink.Config) { c.Index.ModelDigest = "n" }},
			{"another dimension", "its vectors have 4 numbers, and the model gives 5", func(c *opensearchsink.Config) { c.Index.Dimension = 5 }},
			{"another metric", "its vectors are compared by l2, and metric is cosine", func(c *opensearchsink.Config) { c.Index.Metric = vectorindex.Cosine }},
		} {
			cfg := s.config("fits")
			c.change(&cfg)
			_, err := opensearchsink.Open(context.Background(), cfg)
			sinktest.CheckClass(t, c.name, err)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "(try 1)") {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		}
		s.open(t, s.config("fits"))
	}
	fixture.DoctorRefuses(t, fmt.Sprintf("opensearch: {url: %q, index: fits, dimension: 96}", s.url), "its vectors have 4 numbers, and the model gives 96; name another index")
	s.ask(t, http.MethodPut, "/others", map[string]any{"mappings": map[string]any{"properties": map[string]any{"vector": map[string]any{"type": "float"}}}}, &struct{}{})
	if _, err := opensearchsink.Open(context.Background(), s.config("others")); err == nil || !strings.Contains(err.Error(), "it does not fit: its field") {
		t.Errorf("somebody else's index: %v", err)
	}
}

func openSearchFinds(t *testing.T, s *openSearch) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r, rows := sinktest.Make(src, 0, 300)
	put(t, s.open(t, s.config("search")), r, slices.Clone(rows)...)
	for want, filter := range map[int64]map[string]any{
		99: {"match_all": map[string]any{}},
		88: {"range": map[string]any{"offset": map[string]any{"lt": 99}}}, // embeddings are of every 11th offset
	} {
		knn := map[string]any{"vector": []float32{99, -0.5, 0.25, 0}, "k": 3, "filter": filter}
		near := map[string]any{"size": 1, "query": map[string]any{"knn": map[string]any{"vector": knn}}}
		row, err := jsonrow.Parse(s.search(t, "search", near).Hits.Hits[0].Source)
		if err != nil || row.Offset != want {
			t.Errorf("with the filter %v the nearest is of offset %d, want %d; %v", filter, row.Offset, want, err)
		}
	}
	transcripts := 0
	for i := range rows {
		if rows[i].Task == schemas.TaskTranscript {
			transcripts++
		}
	}
	text := map[string]any{"size": 1000, "query": map[string]any{"match": map[string]any{"text": "wörter"}}}
	if n := len(s.search(t, "search", text).Hits.Hits); n != transcripts {
		t.Errorf("%d transcripts are found, want %d", n, transcripts)
	}
	tenant := map[string]any{"size": 1000, "query": map[string]any{"term": map[string]any{"attribute_pairs": "tenant=3"}}}
	hits := s.search(t, "search", tenant).Hits.Hits
	if len(hits) == 0 {
		t.Error("no row of the tenant is found")
	}
	for _, d := range hits {
		if row, err := jsonrow.Parse(d.Source); err != nil || row.Attributes["tenant"] != "3" {
			t.Errorf("tenant %q, %v", row.Attributes["tenant"], err)
		}
	}
}

// openSearchCutOver sends what a recomputation says is to do: where nobody looked anything up by the name yet, and again, from the old index to the new one.
func openSearchCutOver(t *testing.T, s *openSearch) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	index := []string{"cut-1", "cut-2", "cut-3"}
	for i, name := range index {
		r, rows := sinktest.Make(src, 0, int64(i+1))
		put(t, s.open(t, s.config(name)), r, rows...)
	}
	for i := range index[1:] {
		step := cutOver(t, s.output, index[i], index[i+1], "texts")
		request, ok := strings.CutPrefix(step.What, "OpenSearch: POST ")
		path, body, both := strings.Cut(request, " ")
		if !ok || !both {
			t.Fatalf("no request in %q", step.What)
		}
		for range 2 { // it may be done again
			s.ask(t, http.MethodPost, path, json.RawMessage(body), &struct{}{})
		}
		var is map[string]any
		if s.ask(t, http.MethodGet, "/_alias/texts", nil, &is); len(is) != 1 || is[index[i+1]] == nil {
			t.Errorf("readers of texts come to %v, want %s", is, index[i+1])
		}
	}
}

func (s *openSearch) output(place string) config.Output {
	return config.Output{OpenSearch: &config.OpenSearch{URL: s.url, Index: place, Batch: soon}}
}

// openSearchCloses moves an alias away from an index that is closed, where a search by it would fail.
func openSearchCloses(t *testing.T, s *openSearch) {
	var done struct{}
	for _, name := range []string{"closed-1", "closed-2"} {
		s.ask(t, http.MethodPut, "/"+name, map[string]any{"settings": map[string]any{"number_of_replicas": 0}}, &done)
	}
	add := func(alias string) any {
		return map[string]any{"add": map[string]any{"index": "closed-1", "alias": alias}}
	}
	s.ask(t, http.MethodPost, "/_aliases", map[string]any{"actions": []any{add("closing"), add("staying")}}, &done)
	s.ask(t, http.MethodPost, "/closed-1/_close", nil, &done)
	if err := cutOver(t, s.output, "closed-1", "closed-2", "closing").Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{"closing": "closed-2", "staying": "closed-1"} {
		var is map[string]any
		if s.ask(t, http.MethodGet, "/_alias/"+alias, nil, &is); len(is) != 1 || is[want] == nil {
			t.Errorf("%s shows %v, want %s", alias, is, want)
		}
	}
}

func openSearchZeros(t *testing.T, s *openSearch) {
	c := s.config("zeros")
	c.Index.Metric = vectorindex.Cosine
	sink := s.open(t, c)
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	r := schemas.Range{Source: src, Span: schemas.Span{Next: 50}}
	var rows []schemas.Row
	for o := range r.Next {
		rows = append(rows, sinktest.Row(src, o, 0))
		rows[o].Task, rows[o].Payload = schemas.TaskEmbedding, schemas.Payload{Vector: []float32{1, float32(o), 0, 0}}
	}
	rows[17].Vector = make([]float32, 4)
	if _, _, err := sink.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	var told error
	if err := sink.Write(t.Context(), r, rows, func(err error) { told = err }); err != nil {
		t.Fatal(err)
	}
	_ = sink.Flush(t.Context()) // told says it
	no := sinks.AsRefused(told)
	if no == nil || len(no.Offsets) != 1 || no.Offsets[0].Offset != 17 || !strings.Contains(told.Error(), "zero") {
		t.Errorf("got %v", told)
	}
	if n := len(s.search(t, "zeros", all()).Hits.Hits); n != 49 {
		t.Errorf("%d documents are there, want 49", n)
	}
}
