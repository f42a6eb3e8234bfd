//go:build integration

package sinks

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/flightsink"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// TestFlight puts rows of every task, and a deletion, to a server that pyarrow runs, and wants them back as pyarrow has them.
func TestFlight(t *testing.T) {
	port := fmt.Sprint(harness.FreePort(t))
	server := startJudge(t, harness.Packages(t), "serve_flight.py", port)
	var none []json.RawMessage
	server.ask(t, map[string]any{"path": []string{"rows"}}, &none) // it answers: so it serves
	c := flightsink.NewDefaultConfig()
	c.URL, c.Tasks = "http://127.0.0.1:"+port, schemas.Tasks()
	c.Deliver.BatchAge, c.Deliver.BatchRows = 20*time.Millisecond, 37
	sink, err := flightsink.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	r, rows := sinktest.Make(src, 0, 300)
	given := slices.Clone(rows)
	r.Deletes = []schemas.Deletion{{Offset: 299, RefID: "gone"}}
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got, gone []json.RawMessage
	server.ask(t, map[string]any{"path": []string{"rows"}}, &got)
	server.ask(t, map[string]any{"path": []string{"rows", "deletions"}}, &gone)
	if len(got) != len(given) || len(none) != 0 {
		t.Fatalf("%d rows, want %d", len(got), len(given))
	}
	for i := range given {
		back, err := jsonrow.Parse(got[i])
		if err != nil {
			t.Fatalf("%v in %s", err, got[i])
		}
		if want, is := asJSON(t, &given[i]), asJSON(t, &back); want != is {
			t.Errorf("row %d reads\n%s\nwant\n%s", i, is, want)
		}
	}
	if len(gone) != 1 || string(gone[0]) != `{"ref_id": "gone", "topic": "t", "partition": 1, "offset": 299}` {
		t.Errorf("deletions %s", gone)
	}
}
