package config

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const good = `
kafka:
  brokers: [broker:9092]
s3:
  endpoint: http://127.0.0.1:9000
pipelines:
  - name: speech
    topics: [refs]
    model: {path: MODEL}
    heads:
      - {task: transcript}
      - {task: embedding, name: voice, normalize: false}
    outputs:
      - parquet: {url: s3://lake/speech}
    dead_letters: {topic: dead}
`

func noEnv(string) (string, bool) { return "", false }

func parse(t *testing.T, text string, env map[string]string) (*Config, error) {
	t.Helper()
	return Parse([]byte(strings.ReplaceAll(text, "MODEL", t.TempDir())), func(k string) (string, bool) { v, ok := env[k]; return v, ok })
}

func TestAShortFileIsEnough(t *testing.T) {
	c, err := parse(t, good, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pipelines[0]
	if p.Group != "vecmill-speech" || p.Heads[0].Name != "transcript" || !*p.Heads[0].Normalize || *p.Heads[1].Normalize {
		t.Fatalf("%+v", p)
	}
	if p.Outputs[0].Parquet.RollAge.D() != time.Minute || !*p.Text.SpecialTokens {
		t.Fatalf("%+v", p)
	}
	if err := c.ValidateSource(); err != nil {
		t.Fatal(err)
	}
}

func TestTheWorkersAddressIsLocalUnlessToldOtherwise(t *testing.T) {
	c, err := parse(t, good, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{c.Telemetry.Listen, c.Telemetry.DebugListen} {
		if host, _, err := net.SplitHostPort(address); err != nil || !loopback(host) {
			t.Errorf("telemetry listens on %q, %v", address, err)
		}
	}
}

func TestHeadsHaveTheirUsualSettings(t *testing.T) {
	c, err := parse(t, strings.Replace(good, "- {task: transcript}", "- {task: answers}\n      - {task: fill}", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	answers, fill := c.Pipelines[0].Heads[0], c.Pipelines[0].Heads[1]
	if answers.TopK != 1 || fill.TopK != 5 || answers.DType != "fp32" || answers.Mask != "runs" || answers.Pooling != "mean" {
		t.Errorf("%+v, %+v", answers, fill)
	}
}

func TestAWindowThatIsNotGivenIsNoLongerThanARecording(t *testing.T) {
	for audio, want := range map[string]float64{"{}": 20, "{max_seconds: 10}": 10, "{max_seconds: 40}": 20, "{max_seconds: 10, long: window}": 10, "{max_seconds: 10, window_seconds: 4}": 4} {
		c, err := parse(t, good+"    audio: "+audio+"\n", nil)
		if err != nil {
			t.Errorf("%s: %v", audio, err)
			continue
		}
		if got := c.Pipelines[0].Audio.WindowSeconds; got != want {
			t.Errorf("%s: a window of %v s, want %v", audio, got, want)
		}
	}
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	c, err := parse(t, good, map[string]string{
		"VECMILL_KAFKA_BROKERS":                        "a:1, b:2",
		"VECMILL_PIPELINES_SPEECH_MEMORY_BUDGET":       "2GiB",
		"VECMILL_PIPELINES_SPEECH_HEADS_VOICE_POOLING": "cls",
		"VECMILL_KAFKA_SASL_MECHANISM":                 "plain",
		"VECMILL_KAFKA_SASL_USERNAME":                  "u",
		"VECMILL_KAFKA_SASL_PASSWORD":                  "hunter2",
		"VECMILL_PIPELINES_SPEECH_MODEL_PROVIDER":      "cuda",
		"VECMILL_PIPELINES_SPEECH_MODEL_DEVICES":       "0, 2",
		"VECMILL_PIPELINES_SPEECH_BATCH_LINGER":        "7ms",
	})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pipelines[0]
	if fmt.Sprint(c.Kafka.Brokers) != "[a:1 b:2]" || p.MemoryBudget != 2<<30 || p.Heads[1].Pooling != "cls" || p.Batch.Linger.D() != 7*time.Millisecond ||
		p.Model.Provider != "cuda" || fmt.Sprint(p.Model.Devices) != "[0 2]" {
		t.Fatalf("%+v", c)
	}
	if c.Kafka.SASL.Password.Reveal() != "hunter2" {
		t.Fatal("the password did not arrive")
	}
	if _, err := parse(t, good, map[string]string{"VECMILL_S3_PATH_STYLE": "perhaps"}); err == nil || !strings.Contains(err.Error(), "VECMILL_S3_PATH_STYLE") {
		t.Fatalf("a bad variable must be named: %v", err)
	}
}

// What is wrong with a file is told without showing its lines, which may hold a secret.
func TestAFaultBesideASecretDoesNotPrintIt(t *testing.T) {
	for _, text := range []string{
		"s3:\n  access_key: id\n  secret_key: hunter2\n  regoin: x\n",
		"kafka:\n  sasl:\n    pasword: x\n    password: hunter2\n",
		"kafka:\n  sasl: {username: a, password: hunter2, pasword: x}\n",
		"kafka:\n  sasl:\n    oauth:\n      token: \"hunter2\"\n      client_secret: 'hunter2'\n      scpoe: x\n",
		"s3:\n  secret_key: [hunter2]\n",
		"s3:\n  secret_key: >-\n    hunter2\n  regoin: x\n",
		"s3:\n  secret_key: hunter2: x\n",
	} {
		_, err := parse(t, text, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parse(t, good+"\n", map[string]string{"VECMILL_S3_SECRET_KEY_FILE": file, "VECMILL_S3_ACCESS_KEY": "id"})
	if err != nil {
		t.Fatal(err)
	}
	if c.S3.SecretKey.Reveal() != "s3cr3t" {
		t.Fatalf("read %q", c.S3.SecretKey.Reveal())
	}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", *c, c.S3), string(j)} {
		if strings.Contains(s, "s3cr3t") {
			t.Fatalf("the secret is in %s", s)
		}
	}
}

func TestFaultsAreNamedWithTheirPath(t *testing.T) {
	for _, c := range []struct{ name, edit, with, want string }{
		{"an unknown field", "topics: [refs]", "topix: [refs]", "topix"},
		{"a wrong type", "topics: [refs]", "topics: {a: 1}", "topics"},
		{"a word in place of a switch", "s3:", "s3:\n  path_style: perhaps", "path_style: cannot unmarshal"},
		{"a bad size", "outputs:", "memory_budget: lots\n    outputs:", "lots"},
		{"a reference without an owner", "{path: MODEL}", "{path: 'hf://model'}", "is not a directory, hf://owner/name"},
		{"a model by another protocol", "{path: MODEL}", "{path: 'ftp://a/b'}", "is not a directory, hf://owner/name"},
		{"a provider that is none", "{path: MODEL}", "{path: MODEL, provider: rocm}", "pipelines[speech].model.provider: \"rocm\" is not one of cpu, cuda, tensorrt"},
		{"whole numbers on a GPU", "{path: MODEL}", "{path: MODEL, provider: cuda, precision: int8}", "pipelines[speech].model.precision: int8 is for processors"},
		{"devices of a CPU", "{path: MODEL}", "{path: MODEL, devices: [0]}", "pipelines[speech].model.devices: means GPUs, and provider is cpu"},
		{"a device twice", "{path: MODEL}", "{path: MODEL, provider: cuda, devices: [1, 1]}", "pipelines[speech].model.devices: 1 is negative, or named twice"},
		{"fewer callers than none", "{path: MODEL}", "{path: MODEL, callers: -1}", "pipelines[speech].model.callers: -1 must not be negative"},
		{"callers on a GPU", "{path: MODEL}", "{path: MODEL, provider: cuda, callers: 2}", "pipelines[speech].model.callers: 2 must not be negative, and on a GPU no more than 1"},
		{"a GPU's options on a CPU", "{path: MODEL}", "{path: MODEL, gpu: {memory_limit: 1GiB}}", "pipelines[speech].model.gpu: has no effect with provider cpu"},
		{"engines of CUDA", "{path: MODEL}", "{path: MODEL, provider: cuda, gpu: {engine_cache: /e}}", "pipelines[speech].model.gpu.engine_cache: is of provider tensorrt alone"},
		{"another search", "{path: MODEL}", "{path: MODEL, provider: cuda, gpu: {search: best}}", "pipelines[speech].model.gpu.search: \"best\" is not one of auto, heuristic, exhaustive"},
		{"a model in another precision", "{path: MODEL}", "{path: MODEL, precision: int4}", "pipelines[speech].model.precision: \"int4\" is not one of auto, fp32, fp16, int8"},
		{"keys of another format", "outputs:", "input: {keys: plain}\n    outputs:", "pipelines[speech].input.keys: has no effect with format ref"},
		{"an unknown task", "task: transcript", "task: translate", "pipelines[speech].heads[0].task: \"translate\" is not one of"},
		{"an unknown aggregation", "task: transcript", "task: tokens, aggregation: best", "pipelines[speech].heads[0].aggregation: \"best\" is not one of none, simple, first, average, max"},
		{"an unknown pooling", "task: transcript", "task: embedding, pooling: median", "pipelines[speech].heads[0].pooling"},
		{"an unknown precision", "task: transcript", "task: embedding, dtype: int8", "pipelines[speech].heads[0].dtype: \"int8\" is not one of fp32, fp16"},
		{"an unknown function", "task: transcript", "task: classification, function: tanh", "pipelines[speech].heads[0].function"},
		{"an unknown form of a map", "task: transcript", "task: masks, mask: svg", "pipelines[speech].heads[0].mask: \"svg\" is not one of runs, png, both"},
		{"less than no labels", "task: transcript", "task: classification, top_k: -1", "pipelines[speech].heads[0]: top_k"},
		{"a height without a width", "outputs:", "image: {height: 384}\n    outputs:", "pipelines[speech].image: height and width go together"},
		{"seconds that are no number", "outputs:", "audio: {max_seconds: .nan}\n    outputs:", "pipelines[speech].audio.max_seconds: NaN is not above 0"},
		{"a window that is longer than a recording", "outputs:", "audio: {max_seconds: 10, window_seconds: 15}\n    outputs:", "pipelines[speech].audio.window_seconds: 15 is above max_seconds (10)"},
		{"a window above the usual recording", "outputs:", "audio: {window_seconds: 31}\n    outputs:", "pipelines[speech].audio.window_seconds: 31 is above max_seconds (30)"},
		{"a probability above one", "task: transcript", "task: transcript, decoding: {search: beam, token_min_logp: 1}", "pipelines[speech].heads[0].decoding.token_min_logp: 1 is not 0 or less"},
		{"a share above one", "task: transcript", "task: transcript, decoding: {search: beam, beam_prune_logp: 10}", "pipelines[speech].heads[0].decoding.beam_prune_logp: 10 is not 0 or less"},
		{"a negative stride", "outputs:", "text: {stride: -1}\n    outputs:", "pipelines[speech].text"},
		{"two heads of one name", "name: voice", "name: transcript", "pipelines[speech].heads[1].name"},
		{"an output nowhere", "s3://lake/speech", "ftp://lake", "pipelines[speech].outputs[0].parquet.url"},
		{"an unknown layout", "s3://lake/speech", "s3://lake/speech, layout: iceberg", "pipelines[speech].outputs[0].parquet.layout: \"iceberg\" is not one of plain, hive"},
		{"a broker without port", "broker:9092", "broker", "kafka.brokers[0]"},
		{"a bound of bytes with packing", "outputs:", "batch: {packing: true, max_bytes: 1GiB}\n    outputs:", "pipelines[speech].batch.max_bytes: has no effect with packing"},
		{"a target of latency with packing", "outputs:", "batch: {packing: true, latency: 100ms}\n    outputs:", "pipelines[speech].batch.latency: has no effect with packing"},
		{"a row without packing", "outputs:", "batch: {row: 512}\n    outputs:", "pipelines[speech].batch.row: 512 must not be negative, and goes with packing: true"},
		{"a row that no batch holds", "outputs:", "batch: {packing: true, row: 512, max_cost: 400}\n    outputs:", "pipelines[speech].batch.row: 512 is above max_cost (400)"},
		{"results of outputs that nothing keeps", "outputs:", "reuse_outputs: true\n    outputs:", "pipelines[speech].reuse_outputs: needs reuse_results"},
		{"results of an output that is none", "- parquet: {url: s3://lake/speech}", "- jsonl: {path: rows}\n    reuse_results: 1MiB\n    reuse_outputs: true", "pipelines[speech].reuse_outputs: needs a required output of kind parquet, iceberg or arrow"},
		{"a bad name", "name: speech", "name: a/b", "pipelines[a/b].name"},
		{"a budget under one object", "outputs:", "memory_budget: 1MiB\n    outputs:", "pipelines[speech].memory_budget"},
		{"two dead-letter stores", "{topic: dead}", "{topic: dead, url: s3://x}", "pipelines[speech].dead_letters"},
		{"best effort alone", "- parquet: {url: s3://lake/speech}", "- {best_effort: true, parquet: {url: s3://l}}", "pipelines[speech].outputs"},
		{"one group for two pipelines of a topic", "pipelines:", "pipelines:\n  - {name: other, group: vecmill-speech, topics: [refs], model: {path: MODEL}, heads: [{task: embedding}], outputs: [{parquet: {url: s3://x}}]}", "pipelines[speech].group: \"vecmill-speech\" is also the group of pipeline other"},
		{"a user of a store", "http://127.0.0.1:9000", "https://me@store", "s3.endpoint: \"xxxxx@store\" is not http://host:port or https://host; credentials are s3.access_key and s3.secret_key"},
		{"a query of a store", "http://127.0.0.1:9000", "https://store?key=hunter2", "s3.endpoint: \"https://store?...\" is not http://host:port"},
		{"a fragment of a store", "http://127.0.0.1:9000", "'https://store/#me'", "s3.endpoint: \"https://store/#me\" is not http://host:port"},
		{"an address of a collector without its protocol", "s3:", "telemetry: {otlp_endpoint: 'collector:4318'}\ns3:", "telemetry.otlp_endpoint: is not http://host:port"},
		{"the address of traces", "s3:", "telemetry: {otlp_endpoint: 'http://collector:4318/v1/traces/'}\ns3:", "telemetry.otlp_endpoint: \"http://collector:4318/v1/traces/\" is the address of one signal"},
		{"a password of a collector", "s3:", "telemetry: {otlp_endpoint: 'http://me:secret@collector:4318'}\ns3:", "telemetry.otlp_endpoint: has more than host and path"},
		{"a host with its port", "s3:", "telemetry: {hosts: ['worker:9464']}\ns3:", "telemetry.hosts[0]: \"worker:9464\" is no name alone"},
		{"a page at a port without an address", "s3:", "telemetry: {listen: '9464'}\ns3:", "telemetry.listen: \"9464\" is no address and port, such as 127.0.0.1:9464"},
		{"a page at an address without a port", "s3:", "telemetry: {listen: 'localhost'}\ns3:", "telemetry.listen: \"localhost\" is no address and port"},
		{"a page at a port that has no number", "s3:", "telemetry: {listen: ':metrics'}\ns3:", "telemetry.listen: \":metrics\" is no address and port"},
		{"a page at an empty port", "s3:", "telemetry: {listen: '[::]:'}\ns3:", "telemetry.listen: \"[::]:\" is no address and port"},
		{"a page at a port that there is not", "s3:", "telemetry: {listen: ':94640'}\ns3:", "telemetry.listen: \":94640\" is no address and port"},
		{"profiles where others reach them", "s3:", "telemetry: {debug_listen: ':9465'}\ns3:", "telemetry.debug_listen: \":9465\" is no loopback address and port"},
		{"a share above one", "s3:", "telemetry: {trace_ratio: 1.5}\ns3:", "telemetry.trace_ratio: 1.5 is not between 0 and 1"},
		{"draining longer than the session", "brokers: [broker:9092]", "brokers: [broker:9092]\n  drain_timeout: 60s", "kafka.drain_timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.edit, c.with, 1)
			if text == good {
				t.Fatal("the edit changed nothing")
			}
			if _, err := parse(t, text, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v\nwant %q", err, c.want)
			}
		})
	}
}

func TestAModelMayBeAReference(t *testing.T) {
	for path, name := range map[string]string{
		"hf://acme/speech": "speech", "hf://acme/speech@refs/pr/1": "speech", "s3://models/acme/speech": "speech", "s3://models": "models",
	} {
		c, err := parse(t, strings.Replace(good, "{path: MODEL}", "{path: '"+path+"'}", 1), nil)
		if err != nil || c.Pipelines[0].Model.Name != name {
			t.Errorf("%s: named %q (%v), want %q", path, c.Pipelines[0].Model.Name, err, name)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	seen := 0
	err := walk(reflect.ValueOf(sample()).Elem(), "", "VECMILL", func(l leaf) error {
		seen++
		if l.doc == "" {
			t.Errorf("%s has no doc", l.path)
		}
		if name := typeName(l.v.Type()); strings.ContainsAny(name, "*[].") {
			t.Errorf("%s has the type %s, which only says something to those who write Go", l.path, name)
		}
		return nil
	})
	if err != nil || seen < 60 {
		t.Fatalf("%d settings, %v", seen, err)
	}
}

// TestTheReferenceIsCurrent keeps docs/config.md equal to what `worker config reference` prints.
func TestTheReferenceIsCurrent(t *testing.T) {
	var b strings.Builder
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/config.md")
	if err != nil || string(got) != b.String() {
		t.Fatalf("docs/config.md is not what `worker config reference` prints; run make generate (%v)", err)
	}
}

func TestBytesRoundTrip(t *testing.T) {
	for text, want := range map[string]Bytes{"512MiB": 512 << 20, "1.5GiB": 3 << 29, "10": 10, "2KB": 2000, "7B": 7} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
		var back Bytes
		if err := back.UnmarshalText([]byte(b.String())); err != nil || back != b {
			t.Errorf("%s prints as %s", text, b)
		}
	}
	for _, bad := range []string{"", "x", "-1", "1e99GiB", "5 parsecs"} {
		var b Bytes
		if b.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was taken as %d", bad, b)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("pipelines: [{name: [}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Parse(b, noEnv) // no panic
	})
}
