package opensearchsink

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// The conformance suite runs against a real server: integration/sinks, TestOpenSearch. What does not need one is here.

func config() Config {
	c := NewDefaultConfig()
	c.URL, c.Name = "http://127.0.0.1:9200", "rows"
	c.Index = vectorindex.Spec{Heads: []string{"head"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}
	c.Deliver.Retry = retry.Policy{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond}
	return c
}

func TestADocumentIsARowWithOneVector(t *testing.T) {
	c := config()
	c.Index.Columns = []string{"text"}
	for task, want := range map[schemas.Task]string{schemas.TaskEmbedding: "[", schemas.TaskXVector: "[1,-0.5,", schemas.TaskTranscript: ""} {
		var row schemas.Row
		for o := int64(0); row.Task != task; o++ {
			row = sinktest.Row(schemas.SourceID{Topic: "t"}, o, 0)
		}
		row.Attributes = map[string]string{"tenant": "acme", "a": "b=c"}
		doc, err := c.document(&row)
		if err != nil {
			t.Fatal(err)
		}
		if v := string(doc["vector"]); !strings.HasPrefix(v, want) || (v == "") != (want == "") || doc["vector_f16"] != nil {
			t.Errorf("%s: vector %s, vector_f16 %s", task, v, doc["vector_f16"])
		}
		if doc["uri"] != nil || doc["row_id"] == nil || (doc["text"] != nil) != (task == schemas.TaskTranscript) {
			t.Errorf("%s: columns %v", task, doc)
		}
		if len(doc["attribute_pairs"]) > 0 {
			t.Errorf("%s: attributes are there that nobody asked for", task)
		}
	}
	row := sinktest.Row(schemas.SourceID{Topic: "t"}, 0, 0)
	row.Attributes = map[string]string{"tenant": "acme", "a": "b=c"}
	whole := config()
	if doc, err := whole.document(&row); err != nil || string(doc["attribute_pairs"]) != `["a=b=c","tenant=acme"]` {
		t.Errorf("%s, %v", doc["attribute_pairs"], err)
	}
}

func TestAnAnswerIsAVerdict(t *testing.T) {
	const again, never, over = "another try", "refused", "final"
	item := func(status, kind string) string {
		return `{"index":{"_id":"a","status":` + status + `,"error":{"type":"` + kind + `","reason":"r","caused_by":{"type":"c","reason":"why"}}}}`
	}
	const good = `{"index":{"_id":"b","status":201}}`
	for name, c := range map[string]struct{ items, want string }{
		"all are indexed":  {good + "," + good, ""},
		"one does not fit": {good + "," + item("400", "mapper_parsing_exception"), never},
		"one does not fit, and another was too much":   {item("400", "mapper_parsing_exception") + "," + item("429", "es_rejected_execution_exception"), again},
		"a shard is not there":                         {good + "," + item("503", "unavailable_shards_exception"), again},
		"another writer was at it":                     {good + "," + item("409", "version_conflict_engine_exception"), again},
		"the index is read-only":                       {good + "," + item("403", "cluster_block_exception"), over},
		"the index is gone, and may not be made":       {good + "," + item("404", "index_not_found_exception"), over},
		"the answer is of another number of documents": {good, again},
		"one is refused without a word":                {good + `,{"index":{"_id":"a","status":400}}`, never},
	} {
		var a answer
		if err := json.Unmarshal([]byte(`{"errors":true,"items":[`+c.items+`]}`), &a); err != nil {
			t.Fatal(err)
		}
		if got := outcome(a.verdict(2)); got != c.want {
			t.Errorf("%s: %v is %q, want %q", name, a.verdict(2), got, c.want)
		}
	}
	var a answer
	_ = json.Unmarshal([]byte(`{"items":[`+item("400", "mapper_parsing_exception")+`]}`), &a) // it is the same text
	if err := a.verdict(1); err == nil || err.Error() != "document a: mapper_parsing_exception: r: c: why" {
		t.Errorf("it says %v", err)
	}
}

// outcome is what deliver makes of a store's error, seen from outside: one try, refused or not.
func outcome(err error) string {
	if err == nil {
		return ""
	}
	tries := 0
	s, _ := deliver.New(deliver.Config{
		BatchRows: 1, BatchBytes: 1, BatchAge: time.Millisecond, InFlight: 1, MaxBuffered: 1 << 20, Timeout: time.Second, Retry: retry.Policy{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond},
	}, puts(func() error { tries++; return err }))
	defer s.Close(context.Background())
	src := schemas.SourceID{Topic: "t"}
	_, _, _ = s.Resume(context.Background(), src, 0) // a fake's
	var told error
	_ = s.Write(context.Background(), schemas.Range{Source: src, Span: schemas.Span{Next: 1}}, []schemas.Row{sinktest.Row(src, 0, 0)}, func(err error) { told = err })
	_ = s.Flush(context.Background()) // told says it
	switch {
	case sinks.AsRefused(told) != nil:
		return "refused"
	case tries > 1:
		return "another try"
	}
	return "final"
}

type puts func() error

func (p puts) Put(context.Context, deliver.Batch) error { return p() }
func (p puts) Close() error                             { return nil }

// TestAServerWithoutThePluginIsNamed has the words of one, and a password.
func TestAServerWithoutThePluginIsNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"root_cause":[{"type":"mapper_parsing_exception","reason":"No handler for type [knn_vector] declared on field [vector]"}],"type":"mapper_parsing_exception","reason":"`+strings.Repeat("long ", 200)+`"},"status":400}`)
	}))
	defer server.Close()
	c := config()
	c.URL, c.User, c.Password = server.URL, "u", "p"
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "has the server the k-NN plugin?") || !strings.Contains(err.Error(), "No handler for type [knn_vector]") || !strings.Contains(err.Error(), "(try 1)") {
		t.Errorf("got %v", err)
	}
	c.Password = "wrong"
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "(try 1)") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url: not https://":          func(c *Config) { c.URL = "h:9200" },
		`index: "Rows" is no name`:   func(c *Config) { c.Name = "Rows" },
		`index: "_rows" is no name`:  func(c *Config) { c.Name = "_rows" },
		`index: "a/b" is no name`:    func(c *Config) { c.Name = "a/b" },
		`index: "" is no name`:       func(c *Config) { c.Name = "" },
		"dimension: OpenSearch":      func(c *Config) { c.Index.Dimension = 16001 },
		"shards and replicas":        func(c *Config) { c.Shards = 0 },
		"heads: none gives vectors,": func(c *Config) { c.Index.Heads = nil },
	} {
		c := config()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestRowsThatCannotBeStoredAreRefusedBeforehand(t *testing.T) {
	s := &store{cfg: config()}
	for want, change := range map[string]func(*schemas.Row){
		"a row of model n, and index rows has rows of model m": func(r *schemas.Row) { r.ModelDigest = "n" },
		"a vector of 5 numbers by head head, and index rows":   func(r *schemas.Row) { r.Vector = make([]float32, 5) },
		"number 1 of the vector":                               func(r *schemas.Row) { r.Vector[1] = float32(math.NaN()) },
		"ref_id has 32767 bytes":                               func(r *schemas.Row) { r.RefID = strings.Repeat("x", 32767) },
	} {
		row := sinktest.Row(schemas.SourceID{Topic: "t"}, 0, 0)
		if err := s.Check(&row); err != nil {
			t.Fatal(err)
		}
		change(&row)
		if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
