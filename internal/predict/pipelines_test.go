package predict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
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
	models, cache := map[string]string{}, t.TempDir()
	for i, c := range cases {
		kind := c.Class
		if c.Options.has("is_split_into_words") {
			kind += " of words"
		}
		if models[kind] == "" {
			models[kind] = withProcessors(t, c.Class)
			if kind != c.Class {
				spaced := []byte(`{"tokenizer_class": "RobertaTokenizer", "model_max_length": 38, "add_prefix_space": true}`)
				if err := os.WriteFile(filepath.Join(models[kind], "tokenizer_config.json"), spaced, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Run(fmt.Sprintf("%d %s", i, c.Task), func(t *testing.T) {
			in, err := parseLine(c.Input)
			if err != nil {
				t.Fatal(err)
			}
			job := Job{Settings: Settings{Model: models[kind], Cache: cache}, Task: c.Task, Options: c.Options}
			got := predictAll(t, job, in)[0]["result"]
			if c.Task == "text-generation" && !c.Options.has("use_cache") {
				c.Options["use_cache"] = json.RawMessage("false")
				if without := predictAll(t, job, in)[0]["result"]; differ("result", without, got) != "" {
					t.Errorf("%s %s: %s without the cache, %s with it", c.Input, marshalled(t, c.Options), marshalled(t, without), marshalled(t, got))
				}
			}
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

// withTypes is a checkpoint of model/golden with a tokenizer whose second texts have type 1.
func withTypes(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{filepath.Join(goldenRoot, filepath.FromSlash(name)), "testdata/typed"} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTheTypesOfTokensAreTheReferences compares with testdata/types.json, which testdata/token_types.py wrote with the reference's models.
func TestTheTypesOfTokensAreTheReferences(t *testing.T) {
	b, err := os.ReadFile("testdata/types.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Case, Task string
		Input      json.RawMessage
		Options    Options
		Result     any
	}
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) < 5 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	cache := t.TempDir()
	for _, c := range cases {
		in, err := parseLine(c.Input)
		if err != nil {
			t.Fatal(err)
		}
		job := Job{Settings: Settings{Model: withTypes(t, c.Case), Cache: cache}, Task: c.Task, Options: c.Options}
		if diff := differ("result", predictAll(t, job, in)[0]["result"], c.Result); diff != "" {
			t.Errorf("%s %s: %s", c.Input, marshalled(t, c.Options), diff)
		}
	}
}

// withProcessors makes a directory of a golden checkpoint, the tokenizer of testdata and the reference's usual preprocessor_config.json.
func withProcessors(t *testing.T, class string) string {
	t.Helper()
	dir := t.TempDir()
	cases, err := os.ReadDir(filepath.Join(goldenRoot, class))
	if err != nil {
		t.Fatal(err)
	}
	name := cases[0].Name()
	for _, c := range cases {
		if c.Name() == "base" {
			name = "base"
		}
	}
	for _, from := range []string{
		filepath.Join(goldenRoot, class, name, "config.json"), filepath.Join(goldenRoot, class, name, "model.safetensors"),
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
	config := waveConfig
	if strings.Contains(class, "Vision") {
		raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Size int `json:"image_size"`
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		config = fmt.Sprintf(`{"image_processor_type": "BeitImageProcessor", "do_center_crop": false, "size": {"height": %d, "width": %[1]d}}`, c.Size)
	}
	if err := os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// setConfig changes fields of a checkpoint's config.json.
func setConfig(t *testing.T, dir string, fields map[string]any) {
	t.Helper()
	path := filepath.Join(dir, "config.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, fields)
	if err := os.WriteFile(path, []byte(marshalled(t, all)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEachEndOfTheConfigurationEndsAText has config.json say what an option says of generation.
func TestEachEndOfTheConfigurationEndsAText(t *testing.T) {
	dir, cache := withProcessors(t, "Data2VecTextForCausalLM"), t.TempDir()
	options := Options{"do_sample": json.RawMessage("false"), "max_new_tokens": json.RawMessage("12")}
	text := func() string {
		return marshalled(t, predictAll(t, Job{Settings: Settings{Model: dir, Cache: cache}, Options: options}, OfText("ann lee is in rome."))[0]["result"])
	}
	whole := text()
	options["eos_token_id"] = json.RawMessage("[17, 12, 8]")
	want := text()
	delete(options, "eos_token_id")
	setConfig(t, dir, map[string]any{"eos_token_id": []int{17, 12, 8}})
	if got := text(); got != want || got == whole {
		t.Errorf("%s, want %s, and without the ends %s", got, want, whole)
	}
}

// TestStatesTakeNoPooler has the weights of a head class opened as the base class: it has the same states, and no pooled one.
func TestStatesTakeNoPooler(t *testing.T) {
	job := Job{Settings: Settings{Model: withProcessors(t, "Data2VecTextForTokenClassification"), Cache: t.TempDir()}, Task: "feature-extraction"}
	want := marshalled(t, predictAll(t, job, OfText("a cat"))[0]["result"])
	setConfig(t, job.Settings.Model, map[string]any{"architectures": []string{"Data2VecTextModel"}})
	if got := marshalled(t, predictAll(t, job, OfText("a cat"))[0]["result"]); got != want {
		t.Errorf("%.100s, want %.100s", got, want)
	}
	job.Options = Options{"pool": json.RawMessage("true")}
	var b bytes.Buffer
	err := Run(t.Context(), job, &b, func(do func(Input) error) error { return do(OfText("a cat")) })
	if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "the checkpoint has neither") {
		t.Errorf("a pooled state: %v", err)
	}
}

// TestATokenThatTheModelLacksIsTheTextsFault has one added to the tokenizer of 60 alone.
func TestATokenThatTheModelLacksIsTheTextsFault(t *testing.T) {
	dir := withProcessors(t, "Data2VecTextModel")
	config := []byte(`{"tokenizer_class": "RobertaTokenizer", "additional_special_tokens": ["<new>"]}`)
	if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	job := Job{Settings: Settings{Model: dir, Cache: t.TempDir()}}
	predictAll(t, job, OfText("a cat"))
	var b bytes.Buffer
	err := Run(t.Context(), job, &b, func(do func(Input) error) error { return do(OfText("a <new> cat")) })
	if input := (InputError{}); !errors.As(err, &input) || !strings.Contains(err.Error(), "input_ids has the value 60, want 0 to 59") {
		t.Errorf("error %v", err)
	}
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
