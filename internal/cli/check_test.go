package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
)

// TestSamplesAreExplained shows messages of each kind to the configuration of a text model, without a worker.
func TestSamplesAreExplained(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Glob(filepath.Join(dir, "models", "*"))
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, m := range models {
		if b, err := os.ReadFile(filepath.Join(m, "config.json")); err == nil && strings.Contains(string(b), "Data2VecText") {
			text = m
		}
	}
	conf, sample := filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "sample")
	configure := func(rest string) {
		write(t, conf, fmt.Sprintf("telemetry: {listen: \"\"}\nruntime: {cache_dir: %q}\npipelines:\n- name: p\n  topics: [live]\n  model: {path: %q}\n  heads: [{task: classification}]\n  outputs: [{parquet: {url: \"file://%s\"}}]\n%s", filepath.Join(dir, "cache"), text, filepath.Join(dir, "out"), rest))
	}
	for _, c := range []struct {
		name, pipeline, sample string
		args, want             []string
	}{
		{"references", "", `{"v":1,"id":"a","inline_text":"hi"}` + "\n" + `{"v":1,"id":"b","uri":"s3://b/k","etag":"e"} {"v":1,"id":"c","uri":"s3://b/k","modality":"audio"} {"id":"d"}` + "\n" + `{"v":1,"id":"e","deleted":true} garbage`, nil, []string{
			"message 1", "      taken\n      row of head classification: label, score, labels; row_id ", "message 2", "where the bucket has no versions",
			"not taken: it is audio, and the model takes text", "dead letter, reason schema: reference field v: missing", `a tombstone: outputs that can take away the rows of "e"`, "message 6", "not a JSON reference",
		}},
		{"a notification", "  input: {format: s3-event}\n  where: 'ref.uri.endsWith(\".txt\")'\n", `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b.txt","versionId":"v"}}},{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"c.wav"}}}]} {"Service":"Amazon S3","Event":"s3:TestEvent"}`, nil, []string{
			`"uri":"s3://b/a b.txt"`, "once the object's entity tag is known", "not taken: where is false", "skipped: there is no reference in it",
		}},
		{"a CloudEvent in binary mode", "  input: {format: cloudevents}\n", `{"v":1,"id":"a","inline_text":"hi"}`, []string{"--header", "ce_specversion=1.0", "--header", "ce_id=7", "--header", "ce_type=t", "--header", "ce_source=/s", "--topic", "live", "--key", "k"}, []string{
			`"ce_id":"7"`, "taken",
		}},
	} {
		configure(c.pipeline)
		write(t, sample, c.sample)
		code, out, errs := call(worker, append([]string{"config", "check", "--config", conf, "--sample", sample}, c.args...)...)
		if code != 0 {
			t.Fatalf("%s: exit %d: %s", c.name, code, errs)
		}
		at := 0
		for _, want := range c.want {
			i := strings.Index(out[at:], want)
			if i < 0 {
				t.Fatalf("%s: no %q (in order) in\n%s", c.name, want, out)
			}
			at += i
		}
	}
	if code, _, errs := call(worker, "config", "check", "--config", conf, "--sample", sample, "--topic", "other"); code != 1 || !strings.Contains(errs, "no pipeline reads topic other") {
		t.Errorf("exit %d: %s", code, errs)
	}
	configure("  where: ref.urri == \"\"\n")
	if code, _, errs := call(worker, "config", "check", "--config", conf); code != exitUsage || !strings.Contains(errs, "pipeline p: where: line 1, column 4: undefined field 'urri'") || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestWhatAStartRefusesIsNotValid: `config check` says so, each with its path.
func TestWhatAStartRefusesIsNotValid(t *testing.T) {
	conf, model := filepath.Join(t.TempDir(), "vecmill.yaml"), t.TempDir()
	for _, c := range []struct{ pipeline, fault string }{
		{"breaker: {window: 0}", ""},
		{"breaker: {window: 0, max_failures: 150}", ""},
		{"breaker: {window: 400}", ""},
		{"breaker: {max_failures: 100}", ""},
		{"breaker: {window: -5}", "pipelines[p].breaker.window: -5 is not at least 0"},
		{"breaker: {max_failures: 0}", "pipelines[p].breaker.max_failures: 0 is not at least 1"},
		{"breaker: {window: 100, max_failures: 101}", "pipelines[p].breaker.max_failures: 101 is more than the window (100)"},
		{"audio: {max_seconds: 10}", ""},
		{"audio: {max_seconds: -1}", "pipelines[p].audio.max_seconds: -1 is not above 0"},
		{"commit_interval: -1s", "pipelines[p].commit_interval: -1s is not above 0"},
		{"item_deadline: -5s", "pipelines[p].item_deadline: -5s is not above 0"},
		{"preprocessors: -1", "pipelines[p].preprocessors: -1 is not at least 0"},
		{"model: {path: MODEL, threads: -1}", "pipelines[p].model.threads: -1 is not at least 0"},
		{"batch: {linger: -1ms}", "pipelines[p].batch.linger: -1ms is not at least 0"},
		{"outputs: [{parquet: {url: 'file:///a', roll_rows: -1}}]", "pipelines[p].outputs[0].parquet.roll_rows: -1 is not above 0"},
		{"outputs: [{arrow: {url: 'file:///a', roll_age: -1s}}]", "pipelines[p].outputs[0].arrow.roll_age: -1s is not above 0"},
	} {
		lines := []string{c.pipeline, "name: p", "heads: [{task: transcript}]"}
		for _, line := range []string{"model: {path: MODEL}", "outputs: [{jsonl: {path: '-'}}]"} {
			if key, _, _ := strings.Cut(line, ":"); !strings.HasPrefix(c.pipeline, key+":") {
				lines = append(lines, line)
			}
		}
		write(t, conf, "pipelines:\n- "+strings.ReplaceAll(strings.Join(lines, "\n  "), "MODEL", model)+"\n")
		code, out, errs := call(worker, "config", "check", "--config", conf)
		if c.fault == "" && (code != 0 || !strings.Contains(out, "is valid")) || c.fault != "" && (code != exitUsage || !strings.Contains(errs, c.fault) || strings.Count(errs, "\n") != 2) {
			t.Errorf("%s: exit %d, want %q: %s%s", c.pipeline, code, c.fault, out, errs)
		}
	}
}
