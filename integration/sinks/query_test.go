//go:build integration

package sinks

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vecmill/integration/harness"
	"vecmill/internal/demo"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// TestTheDocumentsQueries runs the SQL that documents give to readers of rows in duckdb, over the files of the pipeline that docs/quickstart.md sets up: one directory in place of the bucket.
func TestTheDocumentsQueries(t *testing.T) {
	b, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllSubmatch(b, -1)
	if len(queries) != 1 {
		t.Fatalf("%d queries", len(queries))
	}
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := parquetsink.NewDefaultConfig()
	c.Store, c.Tasks = store, []schemas.Task{schemas.TaskTranscript, schemas.TaskEmbedding}
	sink, err := parquetsink.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.MakeOf(c.Tasks, schemas.SourceID{Pipeline: "speech", Topic: "audio-references", Partition: 1}, 0, 50)
	transcripts := 0
	for i := range rows {
		if rows[i].Task == schemas.TaskTranscript {
			transcripts++
		}
	}
	n := len(rows)
	put(t, sink, r, rows...)
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	query := string(queries[0][1])
	if !strings.Contains(query, "s3://lake/enriched/") {
		t.Fatalf("%s does not read what the quickstart writes", query)
	}
	got := harness.QueryParquet(t, dir, strings.ReplaceAll(query, "s3://lake/enriched", dir))
	texts, vectors := 0, 0
	for _, row := range got {
		if row["ref_id"] == nil {
			t.Fatalf("a row without a reference: %v", row)
		}
		if row["text"] != nil {
			texts++
		}
		if row["len(vector)"] != nil {
			vectors++
		}
	}
	if len(got) != n || transcripts == 0 || texts != transcripts || vectors != n-transcripts {
		t.Errorf("%d rows with %d texts and %d vectors, want %d, %d of them transcripts", len(got), texts, vectors, n, transcripts)
	}
}

// TestTheQueryThatTheDemoPrints reads all that a demo has written: each pipeline's files have columns of their own.
func TestTheQueryThatTheDemoPrints(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo-out")
	var b strings.Builder
	if err := demo.Run(t.Context(), &b, demo.Options{Out: out, Version: "test"}); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	query := regexp.MustCompile(`duckdb -c "(.*)"`).FindStringSubmatch(b.String())
	written := regexp.MustCompile(`Written +(\d+) rows`).FindStringSubmatch(b.String())
	if query == nil || written == nil {
		t.Fatal(b.String())
	}
	got := harness.QueryParquet(t, out, query[1])
	texts, labels := 0, 0
	for _, row := range got {
		if row["text"] != nil {
			texts++
		}
		if row["label"] != nil {
			labels++
		}
	}
	if fmt.Sprint(len(got)) != written[1] || texts == 0 || labels == 0 {
		t.Errorf("%d rows with %d texts and %d labels, written are %s", len(got), texts, labels, written[1])
	}
}
