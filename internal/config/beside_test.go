package config

import (
	"path/filepath"
	"reflect"
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

// TestEveryOutputOfAPipelineBesideAnotherOneHasAPlaceOfItsOwn names every kind of output, with and without what has a default.
func TestEveryOutputOfAPipelineBesideAnotherOneHasAPlaceOfItsOwn(t *testing.T) {
	own := map[string]struct{ settings, want, byHand string }{
		"postgres":   {`{url: "postgres://h/d", table: rows}`, "table: rows_b_2", ""},
		"iceberg":    {`{table: lake.rows, catalog: {uri: "https://c"}}`, "table: lake.rows_b_2", ""},
		"qdrant":     {`{url: "http://q", collection: rows}`, "collection: rows_b_2", ""},
		"milvus":     {`{url: "http://m", collection: rows}`, "collection: rows_b_2", ""},
		"opensearch": {`{url: "http://o", index: rows}`, "index: rows_b_2", ""},
		"redis":      {`{url: "redis://h"}`, "prefix: vecmill_b_2", ""},
		"flight":     {`{url: "http://f"}`, "path: rows_b_2", ""},
		"feast":      {`{url: "http://f", source: rows}`, "source: rows_b_2", "# outputs[0].feast: make this push source"},
		"kafka":      {`{topic: 17}`, "topic: 17_b_2\n", "# outputs[0].kafka: make this topic"},
		"jsonl":      {`{path: /data/rows}`, "path: /data/rows_b_2", ""},
		"webhook":    {`{url: "https://w"}`, "url: https://w\n", "# outputs[0].webhook: give it another URL"},
		"parquet":    {`{url: "s3://lake/rows"}`, "url: s3://lake/rows\n", ""}, // files lie in a directory of their pipeline's name
		"arrow":      {`{url: "s3://lake/rows"}`, "url: s3://lake/rows\n", ""},
	}
	all := sampleOutput()
	for _, k := range all.named() {
		x, ok := own[k.name]
		if !ok {
			t.Errorf("of output %s it is not said what a pipeline beside another one gets", k.name)
			continue
		}
		text, err := Beside([]byte("pipelines:\n  - name: a\n    outputs: [{"+k.name+": "+x.settings+"}]\n"), "a", "b-2", "m")
		if err != nil || !strings.Contains(text, x.want) {
			t.Errorf("%s: %v, no %q in\n%s", k.name, err, x.want, text)
		}
		if strings.Contains(text, "#") != (x.byHand != "") || !strings.Contains(text, x.byHand) {
			t.Errorf("%s: want %q by hand in\n%s", k.name, x.byHand, text)
		}
		place := besidePlaces[k.name]
		k.output.fill()
		if is := settingOf(k.output, place.key); is != place.silent {
			t.Errorf("%s.%s is %q where a file is silent, and not %q", k.name, place.key, is, place.silent)
		}
	}
	for file, want := range map[string]string{`redis: {prefix: "", url: u}`: "prefix: vecmill_b_2", `redis: {prefix: "-"}`: "prefix: -_b_2", `flight: {}`: "path: rows_b_2", `jsonl: {path: "-"}`: `path: "-"`, `postgres: {url: u}`: "url: u"} {
		if text, err := Beside([]byte("pipelines:\n- name: a\n  outputs: [{"+file+"}]\n"), "a", "b-2", "m"); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v, no %q in\n%s", file, err, want, text)
		}
	}
}

// settingOf is a text among settings, by its name in files.
func settingOf(o output, name string) (text string) {
	_ = walk(reflect.ValueOf(o).Elem(), "", "", func(l leaf) error {
		if l.path == name {
			text = l.v.String()
		}
		return nil
	})
	return text
}

// TestPlacesThatAreNamedOnceInAFileAreSuffixedOnce: an anchor stands for its value wherever it is named.
func TestPlacesThatAreNamedOnceInAFileAreSuffixedOnce(t *testing.T) {
	const file = `
pipelines:
  - name: other
    outputs: &all
      - redis: &store {url: u, prefix: p}
  - name: a
    outputs:
      - redis: *store
      - redis:
          <<: *store
          ttl: 1h
  - name: c
    outputs: *all
`
	for from, n := range map[string]int{"a": 2, "c": 1} {
		text, err := Beside([]byte(file), from, "b", "m")
		if err != nil || strings.Count(text, "prefix: p_b\n") != n || strings.Count(text, "prefix:") != n {
			t.Errorf("%s: %v\n%s", from, err, text)
		}
	}
}
