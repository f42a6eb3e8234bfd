package wire

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/config"
	"vecmill/schemas"
)

// ward is a sound set-up: a broker with a topic, a store with a bucket whose clock is off by skew, and a checkpoint.
func ward(t *testing.T, skew time.Duration) *config.Config {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	backend := s3mem.New()
	if err := backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		if strings.HasPrefix(r.URL.Path, "/closed/") {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	c.Kafka.Brokers = cluster.ListenAddrs()
	c.S3 = config.S3{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret", PathStyle: true}
	p.Topics, p.Group = []string{"refs"}, "readers"
	p.Outputs = []config.Output{{Parquet: &config.Parquet{URL: "s3://box/out", Compression: "zstd", RollBytes: 1 << 20, RollRows: 10, RollAge: config.Duration(time.Minute), MaxBuffered: 1 << 24}}}
	p.DeadLetters = config.DeadLetters{URL: "s3://box/dead"}
	return c
}

// unconditional is a store in front of another that forgets the conditions of a PUT, as stores do that do not know them.
func unconditional(t *testing.T, endpoint string) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Header.Del("If-None-Match")
	}}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestTheDoctorNamesIdleGPUs(t *testing.T) {
	for _, c := range []struct {
		machine fs.FS
		grade   Grade
		words   string
	}{
		{fstest.MapFS{"dev/nvidia0": {}, "dev/nvidia1": {}, "dev/nvidiactl": {}}, Doubt, "the 2 GPUs of this machine stay idle"},
		{fstest.MapFS{"dev/null": {}}, Sound, "CPUs"},
	} {
		var got Finding
		(&doctor{c: &config.Config{}, machine: c.machine, tell: func(f Finding) { got = f }}).devices()
		if got.Check != "devices" || got.Grade != c.grade || !strings.Contains(got.Text, c.words) {
			t.Errorf("%+v, want %s with %q", got, c.grade, c.words)
		}
	}
}

func examine(t *testing.T, c *config.Config) (all []Finding) {
	t.Helper()
	Examine(t.Context(), c, func(f Finding) { all = append(all, f) })
	return all
}

func TestTheDoctorFindsNothingWrongWithASoundSetUp(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range examine(t, ward(t, 0)) {
		seen[strings.Fields(f.Check)[0]] = true
		if f.Grade == Trouble || f.Grade == Doubt && f.Check != "fetch" { // every bucket may be named
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"onnxruntime", "reference", "devices", "memory", "clock", "fetch", "kafka", "model", "output", "dead", "sessions"} {
		if !seen[check] {
			t.Errorf("nothing is said of %s", check)
		}
	}
}

func TestTheDoctorTriesPackedRows(t *testing.T) {
	c := ward(t, 0)
	c.Pipelines[0].Batch.Packing = true
	said := ""
	for _, f := range examine(t, c) {
		if f.Check == "reference" {
			said += string(f.Grade) + " " + f.Text + "\n"
		}
	}
	if strings.Count(said, string(Sound)) != 2 || !strings.Contains(said, "on the CPU, in packed rows (") {
		t.Errorf("of packed rows the doctor says %q", said)
	}
}

func TestTheDoctorNamesWhatDecodes(t *testing.T) {
	for check, dir := range map[string]string{"audio": "Data2VecAudioModel/base", "image": "Data2VecVisionModel/relative"} {
		class := filepath.Dir(dir)
		c := ward(t, 0)
		p := &c.Pipelines[0]
		_, q := pipelineFor(t, classCase{class, dir}.checkpoint(t), "    heads: [{task: embedding}]")
		p.Model = q.Model
		said := ""
		for _, f := range examine(t, c) {
			if f.Check == check+" "+p.Name {
				said = f.Text
			}
		}
		if !strings.Contains(said, "built in") {
			t.Errorf("of a pipeline with %s the doctor says %q about %s", class, said, check)
		}
	}
}

// TestTheDoctorNamesEachFaultAndGoesOn spoils one thing at a time. The last check is always made, whatever the first ones found.
func TestTheDoctorNamesEachFaultAndGoesOn(t *testing.T) {
	for _, c := range []struct {
		name  string
		skew  time.Duration
		spoil func(t *testing.T, c *config.Config, p *config.Pipeline)
		check string
		grade Grade
		words []string
	}{
		{"a library that is not there", 0, func(_ *testing.T, c *config.Config, _ *config.Pipeline) {
			c.Runtime.Library = "/nowhere/libonnxruntime.so"
		}, "onnxruntime", Trouble, []string{"/nowhere"}},
		{"more memory than there is", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.MemoryBudget = 1 << 50 }, "memory", Trouble, []string{"lower memory_budget"}},
		{"a clock that is an hour off", time.Hour, nil, "clock", Trouble, []string{"apart", "clock"}},
		{"a clock that is a minute off", time.Minute, nil, "clock", Doubt, []string{"apart", "clock"}},
		{"a root that is not there", 0, func(_ *testing.T, c *config.Config, _ *config.Pipeline) { c.Fetch.FileRoots = []string{"/nowhere"} }, "fetch", Trouble, []string{"file_roots", "/nowhere"}},
		{"a bucket of references that is not there", 0, func(_ *testing.T, c *config.Config, _ *config.Pipeline) {
			c.Fetch.Buckets = []string{"box/in", "absent/in"}
		}, "fetch", Trouble, []string{"fetch.buckets", "absent", "create"}},
		{"a bucket of references that may not be listed", 0, func(_ *testing.T, c *config.Config, _ *config.Pipeline) { c.Fetch.Buckets = []string{"closed/in"} }, "fetch", Doubt, []string{"closed/in", "not for you", "s3:GetObject"}},
		{"a store that ignores conditions", 0, func(t *testing.T, c *config.Config, _ *config.Pipeline) {
			c.S3.Endpoint = unconditional(t, c.S3.Endpoint)
		}, "output p 0", Trouble, []string{"If-None-Match"}},
		{"a broker that does not answer", 0, func(_ *testing.T, c *config.Config, _ *config.Pipeline) { c.Kafka.Brokers = []string{"127.0.0.1:9"} }, "kafka p", Trouble, []string{"refs", "kafka.brokers"}},
		{"a topic that is not there", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.Topics = []string{"none"} }, "kafka p", Trouble, []string{"none", "topic"}},
		{"a checkpoint without weights", 0, func(t *testing.T, _ *config.Config, p *config.Pipeline) {
			if err := os.Remove(filepath.Join(p.Model.Path, "model.safetensors")); err != nil {
				t.Fatal(err)
			}
		}, "model p", Trouble, []string{"model.safetensors"}},
		{"a head that does not fit", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.Heads[0].Task = "transcript" }, "model p", Trouble, []string{"transcript"}},
		{"another model than was meant", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.Model.Digest = strings.Repeat("0", 64) }, "model p", Trouble, []string{"digest"}},
		{"a bucket that is not there", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.Outputs[0].Parquet.URL = "s3://absent/out" }, "output p 0", Trouble, []string{"absent", "create"}},
		{"a database that does not answer", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) {
			p.Outputs[0] = config.Output{Postgres: &config.Postgres{URL: "postgres://u@127.0.0.1:9/d?connect_timeout=1", Table: "t", Dimension: 16, Metric: "none", Connections: 1, BatchRows: 1, BatchAge: 1, MaxBuffered: 1 << 20}}
		}, "output p 0", Trouble, []string{"127.0.0.1"}},
		{"vectors of another dimension", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) {
			p.Outputs[0] = config.Output{Qdrant: &config.Qdrant{URL: "http://127.0.0.1:9", Collection: "c", Dimension: 7, Metric: "cosine"}}
		}, "output p 0", Trouble, []string{"dimension is 7", "head embedding", "set dimension to"}},
		{"no dead letters", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.DeadLetters = config.DeadLetters{} }, "dead letters p", Doubt, []string{"stops the pipeline"}},
		{"a bucket for dead letters that is not there", 0, func(_ *testing.T, _ *config.Config, p *config.Pipeline) { p.DeadLetters.URL = "s3://absent/dead" }, "dead letters p", Trouble, []string{"absent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			conf := ward(t, c.skew)
			if c.spoil != nil {
				c.spoil(t, conf, &conf.Pipelines[0])
			}
			found, last := false, ""
			all := examine(t, conf)
			for _, f := range all {
				last = f.Check
				if f.Check != c.check || f.Grade != c.grade {
					continue
				}
				found = true
				for _, w := range c.words {
					if !strings.Contains(f.Text, w) {
						t.Errorf("%q does not say %q", f.Text, w)
					}
				}
			}
			if !found || last != "dead letters p" {
				t.Errorf("%s %s is not among %+v", c.check, c.grade, all)
			}
		})
	}
}

// TestEveryDimensionIsCompared: each output that is told one, whichever comes next.
func TestEveryDimensionIsCompared(t *testing.T) {
	trial := []schemas.Row{{Lineage: schemas.Lineage{Head: "labels"}}, {Lineage: schemas.Lineage{Head: "head"}, Payload: schemas.Payload{Half: make([]uint16, 4)}}}
	kinds := reflect.TypeFor[config.Output]()
	found := 0
	for i := range kinds.NumField() {
		kind := kinds.Field(i).Type
		if kind.Kind() != reflect.Pointer {
			continue
		}
		if _, ok := kind.Elem().FieldByName("Dimension"); !ok {
			continue
		}
		found++
		var o config.Output
		out := reflect.New(kind.Elem())
		reflect.ValueOf(&o).Elem().Field(i).Set(out)
		for dimension, wrong := range map[int64]bool{4: false, 7: true} {
			out.Elem().FieldByName("Dimension").SetInt(dimension)
			if err := checkDimension(&o, trial); (err != nil) != wrong {
				t.Errorf("%s with vectors of %d numbers, not 4: %v", kinds.Field(i).Name, dimension, err)
			}
		}
	}
	if found != 5 {
		t.Errorf("%d outputs are told a dimension", found)
	}
}
