package config

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestAPipelineBesideAnotherOneIsValidWithIt adds what is printed to the file that it is printed for.
func TestAPipelineBesideAnotherOneIsValidWithIt(t *testing.T) {
	old, now := t.TempDir(), t.TempDir()
	file := `
kafka: {brokers: ["k:9092"]}
pipelines: # one
  # and only

  - name: calls
    topics: [refs]
    group: embedders
    where: ref.size < 1000 # small ones
    model: {path: ` + old + `, name: first, digest: ` + strings.Repeat("ab", 32) + `, precision: int8}
    heads:
      - {task: embedding, pooling: cls}
    outputs:
      - parquet: {url: "s3://lake/rows", roll_rows: 7}
      - postgres: {url: "postgres://u@h/db", table: lake.calls, dimension: 4}
      - qdrant: {url: "http://q:6334", collection: calls, dimension: 4, metric: cosine}
        best_effort: true
      - jsonl: {path: "-"}
    dead_letters: {topic: dead}
`
	for _, margin := range []string{"  ", ""} { // whichever way the file is indented
		conf := strings.ReplaceAll(file, "\n  ", "\n"+margin)
		text, err := Beside([]byte(conf), "calls", "calls-v2", now)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse([]byte(conf+text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatalf("%v in\n%s", err, conf+text)
		}
		a, b := &c.Pipelines[0], &c.Pipelines[1]
		if b.Name != "calls-v2" || b.StartAt != "last" || b.Group != "vecmill-calls-v2" || b.Model.Path != now || b.Model.Digest != "" || b.Model.Name != filepath.Base(now) || b.Model.Precision != "int8" {
			t.Errorf("%+v", b)
		}
		if b.Where != a.Where || b.Topics[0] != "refs" || b.Heads[0].Pooling != "cls" || b.DeadLetters != a.DeadLetters || b.Outputs[0].Parquet.RollRows != 7 {
			t.Errorf("%+v", b)
		}
		if b.Outputs[1].Postgres.Table != "lake.calls_calls_v2" || b.Outputs[2].Qdrant.Collection != "calls_calls_v2" || !b.Outputs[2].BestEffort || b.Outputs[3].JSONL.Path != "-" {
			t.Errorf("%+v", b.Outputs)
		}
	}
	for name, want := range map[[2]string]string{{"other", "x"}: "no pipeline other", {"calls", "calls"}: "has a pipeline calls already"} {
		if _, err := Beside([]byte(file), name[0], name[1], now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", name, err)
		}
	}
}
