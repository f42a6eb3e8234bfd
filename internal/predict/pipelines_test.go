package predict

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestResultsEqualThePipelines compares with testdata/pipelines.json, which testdata/make.py wrote with the reference's own pipelines: words and
// places exactly, numbers to 1e-4. Its checkpoints have random weights: it shows that the numbers are handled alike, not that they are good.
func TestResultsEqualThePipelines(t *testing.T) {
	b, err := os.ReadFile("testdata/pipelines.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Class, Task string
		Input       json.RawMessage
		Options     Options
		Result      any
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	models := map[string]string{}
	for i, c := range cases {
		if models[c.Class] == "" {
			models[c.Class] = withTokenizer(t, c.Class)
		}
		t.Run(fmt.Sprintf("%d %s", i, c.Task), func(t *testing.T) {
			in, err := parseLine(c.Input)
			if err != nil {
				t.Fatal(err)
			}
			if c.Task == "text-generation" {
				c.Options["hf_positions"] = json.RawMessage("true")
			}
			job := Job{Settings: Settings{Model: models[c.Class]}, Task: c.Task, Options: c.Options}
			got := predictAll(t, job, in)[0]["result"]
			if _, one := c.Result.(map[string]any); !one && c.Task == "question-answering" {
				if _, list := got.([]any); !list {
					got = []any{got}
				}
			}
			if diff := differ("result", got, c.Result); diff != "" {
				t.Errorf("%s %s: %s", c.Input, marshalled(t, c.Options), diff)
			}
		})
	}
}

// withTokenizer makes a directory of a golden checkpoint and the tokenizer of testdata.
func withTokenizer(t *testing.T, class string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{
		filepath.Join(goldenRoot, class, "base", "config.json"), filepath.Join(goldenRoot, class, "base", "model.safetensors"),
		"testdata/tokenizer/vocab.json", "testdata/tokenizer/merges.txt", "testdata/tokenizer/tokenizer_config.json",
	} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(from)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// differ says where two JSON values differ; numbers may by 1e-4.
func differ(at string, got, want any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		for k := range w {
			if d := differ(at+"."+k, g[k], w[k]); d != "" {
				return d
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
		for i := range w {
			if d := differ(fmt.Sprintf("%s[%d]", at, i), g[i], w[i]); d != "" {
				return d
			}
		}
	case float64:
		if g, ok := got.(float64); !ok || !(math.Abs(g-w) <= 1e-4) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
	default:
		if got != want {
			return fmt.Sprintf("%s is %q, want %q", at, got, want)
		}
	}
	return ""
}
