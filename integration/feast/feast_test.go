//go:build integration

package feast

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
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/feastsink"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// features are the columns that serve_feast.py has types for.
func features() []string {
	return []string{
		"uri", "head", "task", "model_digest", "topic", "partition", "offset", "window", "window_end", "truncated", "infer_ms", "attributes", "vector", "vector_f16", "text", "words", "score",
		"label", "labels", "mask_width", "mask_png", "perplexity", "choice", "probabilities",
	}
}

// server is Feast's.
type server struct{ url string }

func start(t testing.TB) *server {
	t.Helper()
	packages, dir, port := harness.Packages(t), t.TempDir(), fmt.Sprint(harness.FreePort(t))
	script, err := filepath.Abs("serve_feast.py")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	harness.Start(t, harness.Command{
		Name: "feast", Path: "python3", Log: log, Dir: dir, Args: []string{script, port},
		Env: []string{"PYTHONPATH=" + packages, "FEAST_USAGE=False"},
	})
	s := &server{"http://127.0.0.1:" + port}
	for range 1200 {
		resp, err := fresh.Get(s.url + "/health")
		if err == nil {
			_ = resp.Body.Close() // its status is all
			if resp.StatusCode == http.StatusOK {
				return s
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	said, _ := os.ReadFile(log)
	t.Fatalf("Feast does not answer: %s", said)
	return nil
}

func (s *server) config() feastsink.Config {
	c := feastsink.NewDefaultConfig()
	c.URL, c.Source = s.url, "rows"
	c.Columns = append([]string{"row_id", "ref_id", "created_at"}, features()...)
	c.Deliver.BatchAge, c.Deliver.BatchRows = 20*time.Millisecond, 100
	c.Deliver.Retry = retry.Policy{Attempts: 3, Base: 10 * time.Millisecond, Max: 100 * time.Millisecond}
	return c
}

func open(t testing.TB, c feastsink.Config) *deliver.Sink {
	t.Helper()
	sink, err := feastsink.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close(context.Background()) })
	return sink
}

// write gives what done is told.
func write(t *testing.T, sink *deliver.Sink, r schemas.Range, rows []schemas.Row) (told error) {
	t.Helper()
	if _, _, err := sink.Resume(t.Context(), r.Source, 0); err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), r, rows, func(err error) { told = err }); err != nil {
		t.Fatal(err)
	}
	_ = sink.Flush(t.Context()) // told says it
	return told
}

// fresh has a connection for each request: the server lets one go behind an answer of 500, and an idle one after some seconds, which a POST is not tried again for.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// online are the features of some keys in a view, by key, as Feast's /get-online-features gives them; nil for a key that is not there.
func (s *server) online(t *testing.T, view, key string, keys []string) []map[string]any {
	t.Helper()
	var names []string
	for _, f := range features() {
		names = append(names, view+":"+f)
	}
	ask, err := json.Marshal(map[string]any{"features": names, "entities": map[string]any{key: keys}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/get-online-features", bytes.NewReader(ask))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := fresh.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Metadata struct {
			Names []string `json:"feature_names"`
		}
		Results []struct {
			Values   []any
			Statuses []string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	out := make([]map[string]any, len(keys))
	for i := range keys {
		for f, name := range got.Metadata.Names {
			if name != key && got.Results[f].Statuses[i] == "PRESENT" {
				if out[i] == nil {
					out[i] = map[string]any{}
				}
				out[i][name] = got.Results[f].Values[i]
			}
		}
	}
	return out
}

func TestFeast(t *testing.T) {
	s := start(t)
	t.Run("rows of every task are features", s.everyTask)
	t.Run("of a reference's rows the last stays", s.newest)
	t.Run("a value that is not of its type is one dead letter", s.oneRefused)
	t.Run("mistakes are sentences", s.mistakes)
}

func (s *server) everyTask(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.Make(src, 0, 300)
	given := slices.Clone(rows)
	if err := write(t, open(t, s.config()), r, rows); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range given {
		ids = append(ids, given[i].RowID)
	}
	got := s.online(t, "rows", "row_id", append(ids, "nobody's"))
	if got[len(given)] != nil {
		t.Errorf("what nobody pushed is %v", got[len(given)])
	}
	for i := range given {
		text, err := jsonrow.Append(nil, &given[i])
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		for _, name := range features() {
			switch v := want[name].(type) { // what is no plain value nor a list of numbers is text
			case map[string]any:
				want[name] = raw(t, text, name)
			case []any:
				if _, ok := v[0].(float64); !ok {
					want[name] = raw(t, text, name)
				}
			}
			if is, should := single(got[i][name]), single(want[name]); is != should {
				t.Fatalf("%s of a row of task %s is %s, want %s", name, given[i].Task, is, should)
			}
		}
	}
}

// single is a value as text, with numbers in single precision: Feast gives a float32 all the digits of the same float64.
func single(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprint(float32(v))
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, single(x))
		}
		return strings.Join(out, " ")
	}
	return fmt.Sprint(v)
}

// raw is a member of an object as it is written.
func raw(t *testing.T, object []byte, name string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		t.Fatal(err)
	}
	return string(all[name])
}

func (s *server) newest(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "newest"}
	sink := open(t, s.config())
	for n := range int64(3) {
		row := sinktest.Row(src, n, 0)
		row.RefID = "the reference"
		if err := write(t, sink, schemas.Range{Source: src, Span: schemas.Span{First: n, Next: n + 1}}, []schemas.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.online(t, "newest", "ref_id", []string{"the reference"})[0]; got["offset"] != 2.0 {
		t.Errorf("offset %v", got["offset"])
	}
}

// oneRefused has an offset that is no int32.
func (s *server) oneRefused(t *testing.T) {
	src := schemas.SourceID{Pipeline: "p", Topic: "refused"}
	r := schemas.Range{Source: src, Span: schemas.Span{First: 1<<31 - 3, Next: 1<<31 + 1}}
	var rows []schemas.Row
	var ids []string
	for o := r.First; o < r.Next; o++ {
		rows = append(rows, sinktest.Row(src, o, 0))
		ids = append(ids, rows[len(rows)-1].RowID)
	}
	err := write(t, open(t, s.config()), r, rows)
	no := sinks.AsRefused(err)
	if no == nil || len(no.Offsets) != 1 || no.Offsets[0].Offset != 1<<31 || !strings.Contains(err.Error(), "a value is not of its feature's type: it answers 500") {
		t.Fatalf("got %v", err)
	}
	for i, f := range s.online(t, "rows", "row_id", ids) {
		if there := f["offset"] != nil; there != (i < 3) {
			t.Errorf("row %d is there: %v", i, there)
		}
	}
}

func (s *server) mistakes(t *testing.T) {
	c := s.config()
	c.Source = "others"
	if _, err := feastsink.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "push source others: it answers 422") || !strings.Contains(err.Error(), "Unable to find push source 'others'") {
		t.Errorf("an unknown source: %v", err)
	}
	for _, lacks := range []string{"text", "created_at", "ref_id"} {
		c := s.config()
		c.Columns = slices.DeleteFunc(c.Columns, func(name string) bool { return name == lacks })
		src := schemas.SourceID{Pipeline: "p", Topic: "lacks " + lacks}
		r, rows := sinktest.Make(src, 0, 2)
		err := write(t, open(t, c), r, rows)
		if err == nil || sinks.AsRefused(err) != nil || !strings.Contains(err.Error(), "wants columns that are not pushed; name them in columns") || !strings.Contains(err.Error(), lacks) {
			t.Errorf("without %s: %v", lacks, err)
		}
	}
}

// BenchmarkFeast pushes vectors of 768 numbers to a view in SQLite.
func BenchmarkFeast(b *testing.B) {
	s := start(b)
	fixture.Pour(b, func() sinks.Sink {
		c := feastsink.NewDefaultConfig()
		c.URL, c.Source, c.Columns = s.url, "rows", s.config().Columns
		return open(b, c)
	})
}
