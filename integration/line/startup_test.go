//go:build integration

package line

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// soon is how long the worker may take to say what is wrong.
const soon = time.Minute

// fault is one thing that is wrong when the worker starts.
type fault struct {
	name  string
	spoil func(t *testing.T, c *config.Config) (env []string)
	code  int      // exit code
	words []string // of the last line of the log
}

func testStartupFaults(t *testing.T, site *fixture.Site) {
	site.Kafka.CreateTopic(t, "startup", 1)
	for _, f := range startupFaults() {
		t.Run(f.name, func(t *testing.T) {
			c := site.Config(site.Pipeline(t, "startup", schemas.Text, "startup"))
			env := f.spoil(t, c)
			began := time.Now()
			worker := site.StartWorker(t, strings.ReplaceAll("startup "+f.name, " ", "-"), c, env...)
			state := worker.Wait(t, soon)
			took := time.Since(began).Round(100 * time.Millisecond)
			log := worker.Log()
			if state.ExitCode() != f.code {
				t.Errorf("exit code %d, want %d", state.ExitCode(), f.code)
			}
			last := lastLine(log)
			for _, w := range f.words {
				if !strings.Contains(last, w) {
					t.Errorf("the last line does not say %q", w)
				}
			}
			away := strings.HasSuffix(f.name, "does not answer")
			if strings.Contains(log, "class=unreachable") != away {
				t.Errorf("the class unreachable in the log: %v, want %v:\n%s", !away, away, log)
			}
			if strings.Contains(log, "goroutine ") {
				t.Errorf("the log has a stack:\n%s", log)
			}
			t.Logf("after %v: %s", took, last)
		})
	}
}

func lastLine(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return lines[len(lines)-1]
}

func startupFaults() []fault {
	return append(append(runtimeFaults(), serverFaults()...), modelFaults()...)
}

func runtimeFaults() []fault {
	return []fault{
		{
			"the ONNX Runtime library is missing",
			func(t *testing.T, _ *config.Config) []string {
				return []string{"VECMILL_ORT_LIB=" + filepath.Join(t.TempDir(), "libonnxruntime.so")}
			},
			1,
			[]string{"libonnxruntime.so", "make ort", "VECMILL_ORT_LIB"},
		},
		{
			"the ONNX Runtime library is too old",
			func(t *testing.T, _ *config.Config) []string { return []string{"VECMILL_ORT_LIB=" + oldRuntime(t)} },
			1,
			[]string{"1.18.3", "make ort"},
		},
		{
			"the ONNX Runtime library is something else",
			func(t *testing.T, _ *config.Config) []string {
				path := filepath.Join(t.TempDir(), "libonnxruntime.so")
				write(t, path, []byte("no library"))
				return []string{"VECMILL_ORT_LIB=" + path}
			},
			1,
			[]string{"libonnxruntime.so", "make ort"},
		},
	}
}

func serverFaults() []fault {
	return []fault{
		{"the broker does not answer", edit(func(c *config.Config) { c.Kafka.Brokers = []string{"127.0.0.1:9"} }), 1, []string{"127.0.0.1:9", "broker"}},
		{"the topic is missing", edit(func(c *config.Config) { c.Pipelines[0].Topics = []string{"nowhere"} }), 1, []string{"nowhere", "topic"}},
		{"the dead-letter topic is missing", edit(func(c *config.Config) { c.Pipelines[0].DeadLetters = config.DeadLetters{Topic: "no-letters"} }), 1, []string{"no-letters", "topic"}},
		{"the bucket is absent", edit(func(c *config.Config) { c.Pipelines[0].Outputs[0].Parquet.URL = "s3://absent/out" }), 1, []string{"bucket", "absent", "create"}},
		{"the bucket for dead letters is absent", edit(func(c *config.Config) { c.Pipelines[0].DeadLetters.URL = "s3://absent/dead" }), 1, []string{"bucket", "absent", "create"}},
		{"the store does not answer", edit(func(c *config.Config) { c.S3.Endpoint = "http://127.0.0.1:9" }), 1, []string{"127.0.0.1:9", "s3.endpoint"}},
		{
			"the secret is wrong",
			func(*testing.T, *config.Config) []string { return []string{"VECMILL_S3_SECRET_KEY=wrong-secret-value"} },
			1,
			[]string{"credentials"},
		},
	}
}

func modelFaults() []fault {
	return []fault{
		{"the model has no weights", spoilModel(func(t *testing.T, dir string) { remove(t, dir, "model.safetensors") }), 1, []string{"model.safetensors"}},
		{"the model has no configuration", spoilModel(func(t *testing.T, dir string) { remove(t, dir, "config.json") }), 1, []string{"config.json"}},
		{"the model has no tokenizer", spoilModel(func(t *testing.T, dir string) {
			for _, f := range []string{"tokenizer.json", "vocab.json", "merges.txt"} {
				remove(t, dir, f)
			}
		}), 1, []string{"vocab.json"}},
		{"the weights are cut off", spoilModel(func(t *testing.T, dir string) {
			path := filepath.Join(dir, "model.safetensors")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, path, cut(b))
		}), 1, []string{"model.safetensors"}},
		{"the model is another architecture", spoilModel(func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "config.json"), []byte(`{"architectures":["BertForMaskedLM"],"model_type":"bert"}`))
		}), 1, []string{"bert"}},
		{"a head does not fit the model", edit(func(c *config.Config) { c.Pipelines[0].Heads = []config.Head{{Task: "transcript"}} }), 1, []string{"transcript"}},
		{"a field has a wrong value", edit(func(c *config.Config) { c.Pipelines[0].Text.Long = "shorten" }), 64, []string{"pipelines[startup].text.long", "shorten", "window"}},
		{"the model directory does not exist", edit(func(c *config.Config) { c.Pipelines[0].Model.Path = "/nowhere/at/all" }), 64, []string{"pipelines[startup].model.path", "/nowhere/at/all"}},
	}
}

// edit is a fault in the configuration alone.
func edit(f func(*config.Config)) func(*testing.T, *config.Config) []string {
	return func(_ *testing.T, c *config.Config) []string { f(c); return nil }
}

// spoilModel is a fault in a copy of the model's directory.
func spoilModel(f func(t *testing.T, dir string)) func(*testing.T, *config.Config) []string {
	return func(t *testing.T, c *config.Config) []string {
		dir := filepath.Join(t.TempDir(), "model")
		if err := os.CopyFS(dir, os.DirFS(c.Pipelines[0].Model.Path)); err != nil {
			t.Fatal(err)
		}
		f(t, dir)
		c.Pipelines[0].Model.Path = dir
		return nil
	}
}

func remove(t *testing.T, dir, file string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// oldRuntime builds a library that says of itself that it is ONNX Runtime 1.18.3 and gives no newer API, as the real one would.
func oldRuntime(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "old.c"), []byte(`
static const void *get_api(unsigned version) { (void)version; return 0; }
static const char *get_version(void) { return "1.18.3"; }
static const struct { const void *(*get_api)(unsigned); const char *(*get_version)(void); } base = {get_api, get_version};
const void *OrtGetApiBase(void) { return &base; }
`))
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	lib := filepath.Join(dir, "libonnxruntime.so")
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, filepath.Join(dir, "old.c")).CombinedOutput(); err != nil {
		t.Fatalf("building an old runtime: %v\n%s", err, out)
	}
	return lib
}
