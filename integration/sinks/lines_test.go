//go:build integration

package sinks

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/jsonlsink"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/webhooksink"
)

// same wants rows back as somebody else's JSON has them.
func same(t *testing.T, given []schemas.Row, got []json.RawMessage) {
	t.Helper()
	if len(got) != len(given) {
		t.Fatalf("%d rows, want %d", len(got), len(given))
	}
	for i := range given {
		back, err := jsonrow.Parse(got[i])
		if err != nil {
			t.Fatalf("%v in %s", err, got[i])
		}
		if want, is := asJSON(t, &given[i]), asJSON(t, &back); want != is {
			t.Fatalf("row %d reads\n%s\nwant\n%s", i, is, want)
		}
	}
}

// TestJSONLines writes rows of every task to a file of lines, and wants them as duckdb has them, each object and the table of its own choice.
func TestJSONLines(t *testing.T) {
	c := jsonlsink.NewDefaultConfig()
	c.Path = filepath.Join(t.TempDir(), "rows.jsonl")
	sink, err := jsonlsink.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, 0, 300)
	given := slices.Clone(rows)
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Lines []json.RawMessage
		Table struct{ Rows, IDs, Offsets, Vectors float64 }
	}
	startJudge(t, harness.Readers(t), "read_jsonl.py").ask(t, c.Path, &got)
	same(t, given, got.Lines)
	offsets, vectors := 0.0, 0.0
	for i := range given {
		offsets += float64(given[i].Offset)
		for _, v := range given[i].Vector {
			vectors += float64(v)
		}
	}
	if n := float64(len(given)); got.Table.Rows != n || got.Table.IDs != n || got.Table.Offsets != offsets || math.Abs(got.Table.Vectors-vectors) > 1e-3*math.Abs(vectors)+1e-3 {
		t.Errorf("duckdb's table has %+v, want %v rows, offsets of %v, vectors of %v", got.Table, n, offsets, vectors)
	}
}

// TestWebhook posts rows of every task, and a deletion, to a receiver in Python that checks the signatures by itself, and is away for the first request.
func TestWebhook(t *testing.T) {
	const secret = "a secret of two"
	port := fmt.Sprint(harness.FreePort(t))
	server := startJudge(t, harness.Packages(t), "serve_webhook.py", port, secret)
	type kept struct {
		Rows, Deletions []json.RawMessage
		Keys            []string
		Refused, Asked  int
	}
	var none, got kept
	server.ask(t, "so far", &none) // it answers: so it serves
	c := webhooksink.NewDefaultConfig()
	c.URL, c.Secret = "http://127.0.0.1:"+port+"/rows", secret
	c.Deliver.BatchAge, c.Deliver.BatchRows = 20*time.Millisecond, 37
	sink, err := webhooksink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, 0, 300)
	given := slices.Clone(rows)
	r.Deletes = []schemas.Deletion{{Offset: 299, RefID: "gone"}}
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.ask(t, "all", &got)
	same(t, given, got.Rows)
	slices.Sort(got.Keys)
	if len(none.Rows) > 0 || got.Refused > 0 || len(got.Deletions) != 1 || got.Asked != 1+len(got.Keys) || len(slices.Compact(slices.Clone(got.Keys))) != len(got.Keys) {
		t.Errorf("%d refused signatures, deletions %s, %d requests with keys %v", got.Refused, got.Deletions, got.Asked, got.Keys)
	}
}
