package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// illness is a set-up with one thing wrong, and what the doctor is to say of it.
type illness struct {
	name  string
	skew  time.Duration // of the store's clock
	spoil func(t *testing.T, d *doctor, p *config.Pipeline)
	check string
	grade Grade
	words []string // the fault, and what to do
}

// TestTheDoctorNamesEachFaultAndGoesOn spoils one thing at a time. The last check is always made, whatever the first ones found.
func TestTheDoctorNamesEachFaultAndGoesOn(t *testing.T) {
	for _, i := range slices.Concat(ofTheMachine(), ofTheStore(), ofTheCollector(), ofTheBroker(), ofTheInput(), ofTheModel(), ofTheOutputs(), ofWhatIsHeld()) {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			var all []Finding
			conf := ward(t, i.skew)
			d := newDoctor(conf, func(f Finding) { all = append(all, f) })
			if i.spoil != nil {
				i.spoil(t, d, &conf.Pipelines[0])
			}
			d.examine(t.Context())
			found, last := false, ""
			for _, f := range all {
				last = f.Check
				if strings.Contains(f.Text, "\n") {
					t.Errorf("more than a line: %q", f.Text)
				}
				if f.Check != i.check || f.Grade != i.grade {
					continue
				}
				found = true
				for _, w := range i.words {
					if class := map[string]schemas.PlaceFault{away: schemas.PlaceUnreachable, mixed: schemas.PlaceModel}[w]; class != "" && f.Class != class {
						t.Errorf("%+v is not of class %s", f, class)
					}
					if !strings.Contains(f.Text, w) {
						t.Errorf("%q does not say %q", f.Text, w)
					}
				}
			}
			if !found || last != "dead letters p" {
				t.Errorf("%s %s is not among %+v", i.check, i.grade, all)
			}
		})
	}
}

// of has a machine with other files. Numbers of bytes are counted from what the configuration may use.
func of(files map[string]func(want int64) string) func(*testing.T, *doctor, *config.Pipeline) {
	return func(_ *testing.T, d *doctor, _ *config.Pipeline) {
		machine := fstest.MapFS{}
		for name, text := range files {
			machine[name] = &fstest.MapFile{Data: []byte(text(heapLimit(d.c)))}
		}
		d.machine = machine
	}
}

func ofTheMachine() []illness {
	bytes := func(times float64) func(int64) string {
		return func(want int64) string { return fmt.Sprintf("%.0f\n", times*float64(want)) }
	}
	total := func(want int64) string { return fmt.Sprintf("MemFree: 1 kB\nMemTotal: %d kB\n", 10*want>>10) }
	return []illness{
		{"a library that is not there", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Runtime.Library = "/nowhere/libonnxruntime.so"
		}, "onnxruntime", Trouble, []string{"/nowhere"}},
		{"more memory than there is", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.MemoryBudget = 1 << 50 }, "memory", Trouble, []string{"this machine has", "lower memory_budget"}},
		{"a container with less memory than its machine", 0, of(map[string]func(int64) string{"proc/meminfo": total, "sys/fs/cgroup/memory.max": bytes(0.9)}), "memory", Trouble, []string{"the container has", "lower memory_budget"}},
		{"a container of the older kind with less memory than its machine", 0, of(map[string]func(int64) string{"proc/meminfo": total, "sys/fs/cgroup/memory/memory.limit_in_bytes": bytes(0.9)}), "memory", Trouble, []string{"the container has", "lower memory_budget"}},
		{"little memory for all else", 0, of(map[string]func(int64) string{"proc/meminfo": total, "sys/fs/cgroup/memory.max": bytes(1.2)}), "memory", Doubt, []string{"leaves little for weights", "lower memory_budget"}},
		{"a machine that does not say how much memory it has", 0, of(nil), "memory", Doubt, []string{"could not be found out"}},
		{"a kernel without large pages for anybody", 0, of(map[string]func(int64) string{"proc/meminfo": total, "sys/kernel/mm/transparent_hugepage/enabled": func(int64) string { return "always madvise [never]\n" }}), "pages", Doubt, []string{"write madvise to /sys/kernel/mm/transparent_hugepage/enabled"}},
		{"reference vectors that come out otherwise", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.open = func(ctx context.Context, g model.Graph, o ortsession.Options) (embed.Session, error) {
				s, err := openSession(ctx, g, o)
				return skewed{s, func(int64) float32 { return 0.01 }}, err
			}
		}, "reference", Trouble, []string{"something else is computed", "use ONNX Runtime " + ortsession.PinnedVersion, "report it"}},
		{"a GPU provider on the CPU's build", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Model.Provider = "cuda" }, "provider cuda", Trouble, []string{"libonnxruntime_providers_cuda.so", "tools/fetch-ort-gpu.sh", "model.provider: cpu"}},
	}
}

// skewed is a session whose numbers are off, by an amount that depends on the size of the batch.
type skewed struct {
	embed.Session
	by func(batch int64) float32
}

func (s skewed) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	out, err := s.Session.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	for _, t := range out.Tensors {
		for i := range t.F32 {
			t.F32[i] += s.by(t.Shape[0]) * float32(i%7)
		}
	}
	return out, nil
}

func ofTheStore() []illness {
	return []illness{
		{"a clock that is an hour off", time.Hour, nil, "clock", Trouble, []string{"apart", "clock"}},
		{"a clock that is a minute off", time.Minute, nil, "clock", Doubt, []string{"apart", "clock"}},
		{"a store that does not say what time it is", 0, func(t *testing.T, d *doctor, _ *config.Pipeline) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = nil
				w.WriteHeader(http.StatusForbidden)
			}))
			t.Cleanup(srv.Close)
			d.c.S3.Endpoint = srv.URL
		}, "clock", Doubt, []string{"does not say what time it is", "NTP"}},
		{"a store that does not answer", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.S3.Endpoint = "http://127.0.0.1:9" }, "clock", Trouble, []string{"http://127.0.0.1:9", "check s3.endpoint"}},
		{"references that may name a store that nobody names", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			d.c.S3.Endpoint, p.DeadLetters.URL = "", "file://"+t.TempDir()
			p.Outputs[0].Parquet.URL = p.DeadLetters.URL
		}, "clock", Doubt, []string{"no bucket is named", "fetch.buckets"}},
		{"a root that is not there", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Fetch.FileRoots = []string{"/nowhere"} }, "fetch", Trouble, []string{"file_roots", "/nowhere", "mount it"}},
		{"a root that is a file", 0, func(t *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Fetch.FileRoots = []string{filepath.Join(d.c.Pipelines[0].Model.Path, "config.json")}
		}, "fetch", Trouble, []string{"file_roots", "config.json is not a directory", "name the one"}},
		{"a bucket of references that is not there", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Fetch.Buckets = []string{"box/in", "absent/in"}
		}, "fetch", Trouble, []string{"fetch.buckets", "absent", "create"}},
		{"a bucket of references that may not be listed", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Fetch.Buckets = []string{"closed/in"} }, "fetch", Doubt, []string{"closed/in", "not for you", "cannot be told", "s3:GetObject"}},
		{"a bucket whose objects may not be got", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Fetch.Buckets = []string{"sealed"} }, "fetch", Trouble, []string{"objects of sealed may not be got (not for you)", "s3:GetObject", "name the prefixes"}},
		{"a prefix of objects that may not be got", 0, func(t *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Fetch.Buckets = []string{"sealed/in"}
			puts(t, d.c, "sealed", "in/empty", "")
			puts(t, d.c, "sealed", "in/speech.wav", "RIFF")
		}, "fetch", Trouble, []string{"in/speech.wav is in sealed/in, and may not be got (not for you)", "s3:GetObject"}},
		{"a prefix without objects, which may not be got", 0, func(t *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Fetch.Buckets = []string{"sealed/in"}
			puts(t, d.c, "sealed", "inbox/speech.wav", "RIFF")
		}, "fetch", Doubt, []string{"whether objects of sealed/in may be got cannot be told (not for you)", "s3:GetObject"}},
		{"a store that ignores conditions", 0, func(t *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.S3.Endpoint = unconditional(t, d.c.S3.Endpoint)
		}, "output p 0", Trouble, []string{"If-None-Match", "needs a store that answers 412"}},
		{"a bucket that may not be written to", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://locked/out" }, "output p 0", Trouble, []string{"not for you", "s3:PutObject"}},
		{"a bucket for dead letters that may not be written to", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.DeadLetters.URL = "s3://locked/dead" }, "dead letters p", Trouble, []string{"not for you", "s3:PutObject"}},
		{"a bucket that is not there", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://absent/out" }, "output p 0", Trouble, []string{"absent", "create"}},
		{"a bucket whose objects may be put and not got", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://sealed/out" }, "output p 0", Trouble, []string{"not for you", "s3:GetObject"}},
		{"a bucket whose objects may be put and found, but not read", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://encrypted/out" }, "output p 0", Doubt, []string{"can be written", "whoever reads its files (backfill reembed) would fail", "not for you", "kms:Decrypt"}},
		{"files beside those of another output, which may be found, but not read", 0, encrypted(config.Output{Parquet: &config.Parquet{URL: "s3://box/out"}}), "output p 0", Trouble, []string{"a worker would end when another output is behind", "not for you", "kms:Decrypt"}},
		{"files beside those of a best-effort output, which may be found, but not read", 0, encrypted(config.Output{Parquet: &config.Parquet{URL: "s3://box/out"}, BestEffort: true}), "output p 0", Doubt, []string{"can be written", "whoever reads its files (backfill reembed) would fail", "kms:Decrypt"}},
		{"files of a best-effort output, which may be found, but not read", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			encrypted(config.Output{Parquet: &config.Parquet{URL: "s3://box/out"}})(t, d, p)
			p.Outputs[0].BestEffort = true
		}, "output p 0", Doubt, []string{"can be written", "whoever reads its files (backfill reembed) would fail", "kms:Decrypt"}},
		{"files that lack what the group has committed, and may not be read", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			p.Outputs[0].Parquet.URL = "s3://encrypted/out"
			commit(t, d.c, p.Group, 0, 9)
		}, "output p 0", Doubt, []string{"it has nothing of refs/0", "kms:Decrypt"}},
		{"a bucket for output that may not be listed", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://hidden/out" }, "output p 0", Trouble, []string{"looking for bucket hidden", "not for you", "s3:ListBucket"}},
		{"a bucket whose objects are archived", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://frozen/out" }, "output p 0", Sound, []string{"can be written"}},
		{"a bucket whose letters may be put and not got", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.DeadLetters.URL = "s3://sealed/dead" }, "dead letters p", Doubt, []string{"can be written", "not for you", "worker dlq", "s3:GetObject"}},
		{"no dead letters", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.DeadLetters = config.DeadLetters{} }, "dead letters p", Doubt, []string{"stops the pipeline"}},
		{"a bucket for dead letters that is not there", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.DeadLetters.URL = "s3://absent/dead" }, "dead letters p", Trouble, []string{"absent"}},
	}
}

// encrypted has the pipeline's files where they may be put and found, and not read, and another output with the same settings for files.
func encrypted(beside config.Output) func(*testing.T, *doctor, *config.Pipeline) {
	return func(_ *testing.T, _ *doctor, p *config.Pipeline) {
		files, url := *p.Outputs[0].Parquet, beside.Parquet.URL
		beside.Parquet = &files
		beside.Parquet.URL, p.Outputs[0].Parquet.URL = url, "s3://encrypted/out"
		p.Outputs = append(p.Outputs, beside)
	}
}

// puts puts an object.
func puts(t *testing.T, c *config.Config, bucket, key, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.S3.Endpoint+"/"+bucket+"/"+key, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // unread
	if res.StatusCode != http.StatusOK {
		t.Fatalf("putting %s: %s", key, res.Status)
	}
}

// ofTheCollector: without one a worker works.
func ofTheCollector() []illness {
	at := func(h http.HandlerFunc) func(*testing.T, *doctor, *config.Pipeline) {
		return func(t *testing.T, d *doctor, _ *config.Pipeline) {
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			d.c.Telemetry.OTLPEndpoint = srv.URL
		}
	}
	return []illness{
		{"a page where profiles would be", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Telemetry.Listen, d.c.Telemetry.DebugListen = ":9465", config.DefaultDebugListen
		}, "telemetry", Doubt, []string{"port 9465", "set telemetry.debug_listen to another port"}},
		{"a page where profiles shall be", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Telemetry.Listen, d.c.Telemetry.DebugListen = "[::]:7000", "127.0.0.1:7000"
		}, "telemetry", Trouble, []string{"are one port", "choose another"}},
		{"a collector that does not answer", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Telemetry.OTLPEndpoint = "http://127.0.0.1:9" }, "telemetry", Doubt, []string{"telemetry.otlp_endpoint", "127.0.0.1:9", "this machine may reach it"}},
		{"an address that is no collector's", 0, at(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, strings.Repeat("no such page ", 1000), http.StatusNotFound)
		}), "telemetry", Doubt, []string{"v1/traces", "404", "no such page", "...; until that is mended", "base URL of a collector"}},
		{"an address with a page", 0, at(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html><p>Welcome") }), "telemetry", Doubt, []string{"text/html", "no collector", "base URL of a collector"}},
		{"a collector that wants a key", 0, at(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }), "telemetry", Doubt, []string{"401", "OTEL_EXPORTER_OTLP_HEADERS"}},
	}
}

// guarded has a broker that asks what a user may do, with the topics rows and letters beside refs.
func guarded(rights ...kfake.ACL) func(*testing.T, *doctor, *config.Pipeline) {
	return func(t *testing.T, d *doctor, p *config.Pipeline) {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "refs", "rows", "letters"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "ann", "secret", rights...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		d.c.Kafka.Brokers, d.c.Kafka.SASL = cluster.ListenAddrs(), config.SASL{Mechanism: "plain", Username: "ann", Password: "secret"}
		p.Outputs = append(p.Outputs, outputOf(t, "kafka: {topic: rows}"))
		p.DeadLetters = config.DeadLetters{Topic: "letters"}
	}
}

// may is a right of a user.
func may(operation kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) kfake.ACL {
	return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true}
}

// other has other brokers, with the topics refs and letters, that letters are written to.
func other(opts ...kfake.Opt) func(*testing.T, *doctor, *config.Pipeline) {
	return func(t *testing.T, d *doctor, p *config.Pipeline) {
		cluster, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(1, "refs", "letters"))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		d.c.Kafka.Brokers, p.DeadLetters = cluster.ListenAddrs(), config.DeadLetters{Topic: "letters"}
	}
}

// ofTheBroker leaves out the group, whose rights the fake asks for only where it has one: integration/secure has a real broker.
func ofTheBroker() []illness {
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	const read, describe = kmsg.ACLOperationRead, kmsg.ACLOperationDescribe
	seen := []kfake.ACL{may(describe, topic, "rows"), may(describe, topic, "letters")}
	with := func(rights ...kfake.ACL) func(*testing.T, *doctor, *config.Pipeline) {
		return guarded(append(rights, seen...)...)
	}
	return []illness{
		{"a broker that does not answer", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Kafka.Brokers = []string{"127.0.0.1:9"} }, "kafka p", Trouble, []string{"refs", "kafka.brokers"}},
		{"no brokers", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) { d.c.Kafka.Brokers = nil }, "kafka", Doubt, []string{"kafka.brokers: missing", "worker run refuses this file", "only a backfill"}},
		{"a pipeline without topics", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Topics = nil }, "kafka", Doubt, []string{"pipelines[p].topics: missing", "worker run refuses this file"}},
		{"a topic that is not there", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Topics = []string{"none"} }, "kafka p", Trouble, []string{"none", "topic"}},
		{"a topic that may not be looked up", 0, with(may(read, group, "readers")), "kafka p", Trouble, []string{"topic refs", "rights to describe it"}},
		{"a topic that may be looked up, and not read", 0, with(may(describe, topic, "refs"), may(read, group, "readers")), "kafka p", Trouble, []string{"topic refs: ", "give this user the right to read it"}},
		{"a topic of rows that may not be written to", 0, with(), "output p 1", Trouble, []string{"topic rows: ", "give this user the right to write to it"}},
		{"a topic of dead letters that may not be written to", 0, with(), "dead letters p", Trouble, []string{"topic letters: ", "give this user the right to write to it"}},
		{"a session that is longer than the brokers allow", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.c.Kafka.SessionTimeout = config.Duration(time.Hour)
		}, "kafka p", Trouble, []string{"group readers: ", "session_timeout", "group.max.session.timeout.ms"}},
		{"a group that has no room", 0, other(kfake.BrokerConfigs(map[string]string{"group.max.size": "0"})), "kafka p", Trouble, []string{"group readers: ", "group.max.size"}},
		{"a topic of dead letters that takes no more than the records'", 0, other(), "dead letters p", Doubt, []string{"can be written", "topic letters takes messages of 1048588 bytes", "raise max.message.bytes of letters to 1052684", "dead_letters.url"}},
		{"a topic of dead letters that takes more than the records'", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			other()(t, d, p)
			widen(t, d.c.Kafka.Brokers, "letters", "1052684")
		}, "dead letters p", Sound, []string{"can be written"}},
		{"topics whose settings may not be looked up", 0, with(may(kmsg.ACLOperationWrite, topic, "letters")), "dead letters p", Doubt, []string{"cannot be told", "the right to describe the topics' configurations"}},
		{"a topic of rows whose settings may not be looked up", 0, with(may(kmsg.ACLOperationWrite, topic, "rows")), "output p 1", Doubt, []string{"can be written; ", "max.message.bytes of topic rows", "1048588 are assumed", "the right to describe its configuration"}},
		{"a topic of rows whose settings may be looked up", 0, with(may(kmsg.ACLOperationWrite, topic, "rows"), may(kmsg.ACLOperationDescribeConfigs, topic, "rows")), "output p 1", Sound, []string{"can be written"}},
	}
}

// widen sets a topic's max.message.bytes.
func widen(t *testing.T, brokers []string, topic, bytes string) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	res, err := (&kafka.Client{Addr: kafka.TCP(brokers...), Transport: tr}).IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: bytes}},
	}}})
	if err == nil {
		err = res.Resources[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read has the pipeline's records be Avro of a registry, which answers with a code.
func read(code int) func(*testing.T, *doctor, *config.Pipeline) {
	return func(t *testing.T, _ *doctor, p *config.Pipeline) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, `["AVRO"]`)
		}))
		t.Cleanup(srv.Close)
		p.Input.Format, p.Input.Registry.URLs = "avro", []string{srv.URL}
	}
}

func ofTheInput() []illness {
	return []illness{
		{"a schema registry that answers", 0, read(http.StatusOK), "registry p", Sound, []string{"the schema registry at [http://127.0.0.1:", "answers"}},
		{"a schema registry that does not answer", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) {
			p.Input.Format, p.Input.Registry.URLs = "protobuf", []string{"http://127.0.0.1:9"}
		}, "registry p", Trouble, []string{"127.0.0.1:9", "check input.registry"}},
		{"a schema registry that refuses, of a file without brokers", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			d.c.Kafka.Brokers = nil
			read(http.StatusUnauthorized)(t, d, p)
		}, "registry p", Doubt, []string{"refuses us (HTTP 401)", "a backfill does not ask it"}},
		{"a file of a registry's authorities that is not there, of a file without brokers", 0, func(_ *testing.T, d *doctor, p *config.Pipeline) {
			d.c.Kafka.Brokers = nil
			p.Input.Format, p.Input.Registry = "avro", config.Registry{URLs: []string{"https://127.0.0.1:9"}, CAFile: "/nowhere/ca.pem"}
		}, "registry p", Trouble, []string{"registry.ca_file", "/nowhere/ca.pem"}},
		{"a schema registry that refuses", 0, read(http.StatusUnauthorized), "registry p", Trouble, []string{"refuses us (HTTP 401)", "check input.registry's user and password"}},
		{"a file of a registry's authorities that is not there", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) {
			p.Input.Format, p.Input.Registry = "avro", config.Registry{URLs: []string{"https://127.0.0.1:9"}, CAFile: "/nowhere/ca.pem"}
		}, "registry p", Trouble, []string{"registry.ca_file", "/nowhere/ca.pem"}},
	}
}

// another has the pipeline run another checkpoint, whose files are spoiled by name.
func another(class, from string, files map[string]string) func(*testing.T, *doctor, *config.Pipeline) {
	return func(t *testing.T, _ *doctor, p *config.Pipeline) {
		p.Model.Path = classCase{class, from}.checkpoint(t)
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(p.Model.Path, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// many is a vocabulary of so many words.
func many(n int) string {
	words := map[string]int{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
	for i := len(words); i < n; i++ {
		words[fmt.Sprint("w", i)] = i
	}
	b, _ := json.Marshal(words) // of what it cannot fail
	return string(b)
}

func ofTheModel() []illness {
	const text, audio, vision = "Data2VecTextModel/base", "Data2VecAudioModel/base", "Data2VecVisionModel/relative"
	return []illness{
		{"a checkpoint without weights", 0, func(t *testing.T, _ *doctor, p *config.Pipeline) {
			if err := os.Remove(filepath.Join(p.Model.Path, "model.safetensors")); err != nil {
				t.Fatal(err)
			}
		}, "model p", Trouble, []string{"holds no weights; read are model.safetensors"}},
		{"a head that does not fit", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Heads[0].Task = "transcript" }, "model p", Trouble, []string{"transcript", "what fits this model: embedding"}},
		{"another model than was meant", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) { p.Model.Digest = strings.Repeat("0", 64) }, "model p", Trouble, []string{"digest", "mend model.path"}},
		{"settings of an audio processor that are cut off", 0, another("Data2VecAudioModel", audio, map[string]string{"preprocessor_config.json": `{"sampling_rate": 16`}), "model p", Trouble, []string{"preprocessor_config.json", "copy the checkpoint anew"}},
		{"settings of an image processor that are cut off", 0, another("Data2VecVisionModel", vision, map[string]string{"preprocessor_config.json": `{"do_resize": tr`}), "model p", Trouble, []string{"preprocessor_config.json", "copy the checkpoint anew"}},
		{"a processor of another kind of model", 0, another("Data2VecAudioModel", audio, map[string]string{"preprocessor_config.json": `{"sampling_rate": 16000, "feature_size": 80, "feature_extractor_type": "WhisperFeatureExtractor"}`}), "model p", Trouble, []string{"preprocessor_config.json", "copy the checkpoint anew"}},
		{"a vocabulary that is cut off", 0, another("Data2VecTextModel", text, map[string]string{"vocab.json": `{"<s>": 0, "<p`}), "model p", Trouble, []string{"vocab.json", "copy the checkpoint anew"}},
		{"a vocabulary with holes", 0, another("Data2VecTextModel", text, map[string]string{"vocab.json": `{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 70000}`}), "model p", Trouble, []string{"vocab.json", "copy the checkpoint anew"}},
		{"a vocabulary of another model", 0, another("Data2VecTextModel", text, map[string]string{"vocab.json": many(3000), "merges.txt": "#version: 0.2\n"}), "model p", Trouble, []string{"vocab_size", "do not belong together", "copy the checkpoint anew"}},
		{"a model in whose batches an item changes", 0, func(_ *testing.T, d *doctor, _ *config.Pipeline) {
			d.load = func(ctx context.Context, c *config.Config, p *config.Pipeline, s *stores, log *slog.Logger) (*loadedModel, error) {
				m, err := loadModel(ctx, c, p, s, log)
				if err != nil {
					return nil, err
				}
				for i, s := range m.sessions {
					m.sessions[i] = skewed{s, func(batch int64) float32 { return float32(batch-1) / 8 }}
				}
				return m, nil
			}
		}, "model p", Trouble, []string{"batches change results here", "report it"}},
	}
}

// What is said of outputs that are not reached, and of those that get vectors of two models.
const (
	away  = "see that it runs"
	mixed = "vectors of two models cannot be compared"
)

// outputOf is an output as a configuration has it.
func outputOf(t *testing.T, text string) config.Output {
	t.Helper()
	c, err := config.Parse(fmt.Appendf(nil, "telemetry: {listen: \"\"}\nkafka: {brokers: [\"b:1\"]}\npipelines: [{name: p, model: {path: %q}, heads: [{task: embedding}], outputs: [{%s}]}]", t.TempDir(), text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c.Pipelines[0].Outputs[0]
}

func ofTheOutputs() []illness {
	to := func(text string) func(*testing.T, *doctor, *config.Pipeline) {
		return func(t *testing.T, _ *doctor, p *config.Pipeline) { p.Outputs[0] = outputOf(t, text) }
	}
	return []illness{
		{"vectors of another dimension", 0, func(_ *testing.T, _ *doctor, p *config.Pipeline) {
			p.Outputs[0] = config.Output{Qdrant: &config.Qdrant{URL: "http://127.0.0.1:9", Collection: "c", Dimension: 7, Metric: "cosine"}}
		}, "output p 0", Trouble, []string{"dimension is 7", "head embedding", "set dimension to"}},
		{"a database that does not answer", 0, to("postgres: {url: \"postgres://u@127.0.0.1:9/d?connect_timeout=1\", table: t, dimension: 16}"), "output p 0", Trouble, []string{"127.0.0.1", away}},
		{"a Qdrant that does not answer", 0, to("qdrant: {url: \"http://127.0.0.1:9\", collection: c, dimension: 16}"), "output p 0", Trouble, []string{"qdrant 127.0.0.1:9, collection c", away}},
		{"a Milvus that does not answer", 0, to("milvus: {url: \"http://127.0.0.1:9\", collection: c, dimension: 16}"), "output p 0", Trouble, []string{"milvus 127.0.0.1:9, collection c", away}},
		{"an OpenSearch that does not answer", 0, to("opensearch: {url: \"http://127.0.0.1:9\", index: i, dimension: 16}"), "output p 0", Trouble, []string{"opensearch http://127.0.0.1:9, index i", away}},
		{"a Redis that does not answer", 0, to("redis: {url: \"redis://127.0.0.1:9\", index: hnsw, dimension: 16}"), "output p 0", Trouble, []string{"redis 127.0.0.1:9", away}},
		{"a webhook that does not answer", 0, to("webhook: {url: \"http://127.0.0.1:9/rows?key=k\", secret: s}"), "output p 0", Trouble, []string{"webhook http://127.0.0.1:9/rows: ", "connection refused", away}},
		{"a server of Flight that does not answer", 0, to("flight: {url: \"http://127.0.0.1:9\"}"), "output p 0", Trouble, []string{"flight 127.0.0.1:9, path rows: ", "connection refused", away}},
		{"a Feast that does not answer", 0, to("feast: {url: \"http://127.0.0.1:9\", source: s}"), "output p 0", Trouble, []string{"feast http://127.0.0.1:9, push source s", away}},
		{"a push source with vectors of another pipeline's model", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			t.Cleanup(srv.Close)
			p.Outputs[0] = outputOf(t, fmt.Sprintf("feast: {url: %q, source: s}", srv.URL))
			first := *p
			first.Name, first.Model.Precision = "first", "int8"
			d.c.Pipelines = []config.Pipeline{first, *p}
		}, "output p 0", Trouble, []string{"feast push source s: it does not fit: pipeline first pushes vectors of model", mixed}},
		{"brokers of a topic of rows that do not answer", 0, func(t *testing.T, d *doctor, p *config.Pipeline) {
			to("kafka: {topic: rows}")(t, d, p)
			d.c.Kafka.Brokers = []string{"127.0.0.1:9"}
		}, "output p 0", Trouble, []string{"kafka topic rows", "127.0.0.1:9", away}},
	}
}
