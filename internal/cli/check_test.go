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
