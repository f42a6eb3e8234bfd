package wire

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/config"
	"vecmill/internal/hugepages"
	"vecmill/schemas"
)

// ward is a sound set-up: a broker with a topic, a store whose clock is off by skew with a bucket, one that may only be read, one whose objects may not be got, one whose objects are archived and one that may not be listed, and a checkpoint.
func ward(t *testing.T, skew time.Duration) *config.Config {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "refs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	backend := s3mem.New()
	for _, bucket := range []string{"box", "locked", "sealed", "encrypted", "frozen", "hidden"} {
		if err := backend.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	fake := gofakes3.New(backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if bucket == "closed" || bucket == "hidden" && key == "" || bucket == "locked" && r.Method == http.MethodPut || bucket == "sealed" && r.Method != http.MethodPut && key != "" || bucket == "encrypted" && r.Method == http.MethodGet && key != "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
			return
		}
		if bucket == "frozen" && r.Method == http.MethodGet && key != "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>InvalidObjectState</Code><Message>it is archived</Message></Error>")
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

func examine(t *testing.T, c *config.Config) (all []Finding) {
	t.Helper()
	Examine(t.Context(), c, func(f Finding) { all = append(all, f) })
	return all
}

func TestTheDoctorFindsNothingWrongWithASoundSetUp(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range examine(t, ward(t, 0)) {
		seen[strings.Fields(f.Check)[0]] = true
		never := f.Check == "pages" && hugepages.ModeOf(os.DirFS("/")) == hugepages.Never // which is this machine's
		if f.Grade == Trouble || f.Grade == Doubt && f.Check != "fetch" && !never {       // every bucket may be named
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{"onnxruntime", "reference", "devices", "memory", "clock", "fetch", "kafka", "model", "output", "dead", "sessions"} {
		if !seen[check] {
			t.Errorf("nothing is said of %s", check)
		}
	}
}

// That one object is archived says nothing of the bucket, but that its objects may be got: whoever may not is told so first.
func TestAnArchivedObjectIsNoFaultOfItsBucket(t *testing.T) {
	c := ward(t, 0)
	c.Fetch.Buckets = []string{"frozen"}
	puts(t, c, "frozen", "speech.wav", "RIFF")
	said := 0
	for _, f := range examine(t, c) {
		if f.Check == "fetch" {
			said++
			if f.Grade != Sound {
				t.Errorf("%+v", f)
			}
		}
	}
	if said == 0 {
		t.Error("nothing is said of the bucket")
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

// TestTheDoctorTakesWhatMayBeGotAndIsTaken: a worker may list nothing to fetch, and a bucket may be empty.
func TestTheDoctorTakesWhatMayBeGotAndIsTaken(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	c := ward(t, 0)
	c.Telemetry.OTLPEndpoint = collector.URL
	c.Fetch.Buckets = []string{"hidden/in", "box", "locked/in/"}
	puts(t, c, "box", "in/speech.wav", "RIFF")
	var all []Finding
	d := newDoctor(c, func(f Finding) { all = append(all, f) })
	d.collector(t.Context())
	d.fetch(t.Context())
	if len(all) != 2 || all[0].Grade != Sound || all[1].Grade != Sound || !strings.Contains(all[0].Text, collector.URL) || !strings.Contains(all[1].Text, "hidden/in") {
		t.Errorf("%+v", all)
	}
}
