package config

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everyOutput has a pipeline with an output of each kind.
const everyOutput = `
pipelines:
  - name: p
    topics: [t]
    model: {path: .}
    heads: [{name: h, task: transcript}]
    outputs:
      - parquet: {url: 'file:///a'}
      - arrow: {url: 'file:///b'}
      - postgres: {url: 'postgres://h/d', table: rows, dimension: 4}
      - iceberg: {catalog: {uri: 'https://h'}, table: n.t}
      - jsonl: {path: rows}
      - kafka: {topic: rows}
      - webhook: {url: 'https://h/p', secret: s}
      - redis: {url: 'redis://h'}
      - qdrant: {url: 'http://h', collection: c, dimension: 4}
      - milvus: {url: 'http://h', collection: c, dimension: 4}
      - opensearch: {url: 'http://h', index: i, dimension: 4}
      - flight: {url: 'http://h'}
      - feast: {url: 'http://h', source: s}
`

// belowZero are the numbers that may be negative, with what that means.
var belowZero = map[string]string{
	"pipelines[].heads[].decoding.beam_prune_logp":  "the logarithm of a share",
	"pipelines[].heads[].decoding.token_min_logp":   "the logarithm of a probability",
	"pipelines[].heads[].decoding.hotword_weight":   "hot words count less",
	"pipelines[].heads[].decoding.alpha":            "what the language model expects counts against a text",
	"pipelines[].heads[].decoding.beta":             "texts of few words are preferred",
	"pipelines[].heads[].decoding.unk_score_offset": "unknown words count against a text",
}

// lessThanNothing is a setting's text for less than nothing; "" of one that is no number.
func lessThanNothing(t reflect.Type) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Duration]():
		return "-1s"
	case slices.Contains([]reflect.Kind{reflect.Int, reflect.Int64, reflect.Float64}, t.Kind()):
		return "-1"
	}
	return ""
}

var indexRE = regexp.MustCompile(`\[[^\]]*\]`)

// refuses says whether err is about a setting: its own path, or that of the settings around it and its name.
func refuses(err error, l *leaf) bool {
	invalid, ok := errors.AsType[*InvalidError](err)
	if !ok {
		return err != nil && strings.HasPrefix(err.Error(), "environment variable "+l.env+": ")
	}
	dot := strings.LastIndex(l.path, ".")
	return slices.ContainsFunc(invalid.Faults, func(fault string) bool {
		at, says, _ := strings.Cut(fault, ": ")
		at = indexRE.ReplaceAllString(at, "[]")
		return at == l.path || at == l.path[:dot] && strings.Contains(says, l.path[dot+1:])
	})
}

// TestNothingIsLessThanNothing: each number and each time is refused where it is negative, but for those that mean something then.
func TestNothingIsLessThanNothing(t *testing.T) {
	base, err := parse(t, everyOutput, nil)
	if err != nil {
		t.Fatal(err)
	}
	looked := map[string]bool{}
	look := func(l leaf) error {
		text := lessThanNothing(l.v.Type())
		if text == "" {
			return nil
		}
		looked[l.path] = true
		_, err := parse(t, everyOutput, map[string]string{l.env: text})
		if meaning := belowZero[l.path]; meaning == "" && !refuses(err, &l) {
			t.Errorf("%s: %s is taken, or refused without its name: %v", l.path, text, err)
		} else if meaning != "" && err != nil {
			t.Errorf("%s: %s means that %s, and is refused: %v", l.path, text, meaning, err)
		}
		return nil
	}
	if err := walk(reflect.ValueOf(base).Elem(), "", "VECMILL", look); err != nil {
		t.Fatal(err)
	}
	err = walk(reflect.ValueOf(sample()).Elem(), "", "VECMILL", func(l leaf) error {
		if lessThanNothing(l.v.Type()) != "" && !looked[l.path] {
			t.Errorf("%s is in no output of the file", l.path)
		}
		return nil
	})
	if err != nil || len(looked) < 80 {
		t.Errorf("%d numbers, %v", len(looked), err)
	}
	for path := range belowZero {
		if !looked[path] {
			t.Errorf("%s is no number of a configuration", path)
		}
	}
}
