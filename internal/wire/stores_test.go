package wire

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"vecmill/internal/config"
)

// TestAQuestionAtTheStartIsRepeatedUntilItIsAnswered has a store that is busy for some requests of the look for the bucket and of the probe, or says no.
func TestAQuestionAtTheStartIsRepeatedUntilItIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		method string // of the requests that are not served
		times  int    // how many of them
		code   string
		status int
		asked  int    // requests of that method in all
		want   string // of the error; "" for success
	}{
		{"the look for the bucket is repeated after 503", http.MethodGet, 2, "SlowDown", 503, 3, ""},
		{"the probe is repeated after 503", http.MethodPut, 2, "SlowDown", 503, 4, ""},
		{"a token that has expired is asked for again", http.MethodGet, 1, "ExpiredToken", 400, 2, ""},
		{"a refusal is final", http.MethodGet, 9, "AccessDenied", 403, 1, "check s3.endpoint and the credentials"},
		{"a probe that is refused is final", http.MethodPut, 9, "AccessDenied", 403, 1, "conditional PUT"},
		{"a store that stays busy ends the start", http.MethodPut, 9, "SlowDown", 503, 6, "conditional PUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			backend := s3mem.New()
			if err := backend.CreateBucket("box"); err != nil {
				t.Fatal(err)
			}
			fake := gofakes3.New(backend).Server()
			asked := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == c.method {
					if asked++; asked <= c.times {
						w.Header().Set("Content-Type", "application/xml")
						w.WriteHeader(c.status)
						fmt.Fprintf(w, "<Error><Code>%s</Code><Message>m</Message></Error>", c.code)
						return
					}
				}
				fake.ServeHTTP(w, r)
			}))
			t.Cleanup(srv.Close)
			conf := config.NewDefaultConfig()
			conf.S3 = config.S3{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret", PathStyle: true}
			store, prefix, err := (&stores{cfg: conf}).open(t.Context(), "s3://box/out")
			if err == nil {
				err = checkConditionalPut(t.Context(), store, prefix)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || asked != c.asked {
				t.Errorf("%v after %d requests, want %q after %d", err, asked, c.want, c.asked)
			}
		})
	}
}

// TestFilesThatAnotherOutputIsBroughtUpFromAreReadAtTheStart, and others are found alone.
func TestFilesThatAnotherOutputIsBroughtUpFromAreReadAtTheStart(t *testing.T) {
	c := ward(t, 0)
	m := load(t, c, &c.Pipelines[0])
	for _, x := range []struct {
		name                string
		alone, first, other bool // best-effort: the first, the other
		want                string
	}{
		{"alone", true, false, false, ""},
		{"beside another one", false, false, false, "outputs[0]: a worker would end when another output is behind"},
		{"beside a best-effort one", false, false, true, ""},
		{"best-effort beside another one", false, true, false, ""},
	} {
		p := c.Pipelines[0]
		p.Outputs = slices.Clone(p.Outputs)
		files := *p.Outputs[0].Parquet
		p.Outputs[0].Parquet, p.Outputs[0].BestEffort = &files, x.first
		if encrypted(config.Output{Parquet: &config.Parquet{URL: "s3://box/out"}, BestEffort: x.other})(t, nil, &p); x.alone {
			p.Outputs = p.Outputs[:1]
		}
		sink, err := newSink(t.Context(), &p, m, &stores{cfg: c}, Options{Log: quiet}, newFaults(quiet, p.Name), nil)
		if err == nil {
			err = sink.Close(t.Context())
		}
		if (err == nil) != (x.want == "") || err != nil && !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

// Each machine has a loopback of its own; what only looks like it is one place for all.
func TestALoopbackIsThisMachines(t *testing.T) {
	for place, want := range map[string]bool{
		"collection a http://localhost:6334": true, "index b http://127.0.0.1:9200": true, "push source c http://[::1]:6566": true, "refs 127.0.0.1:9092": true,
		"collection a http://10.0.127.5:6334": false, "index localhost-index http://search.lan:9200": false, "refs kafka-1:9092 kafka-2:9092": false, "grpc://host path": false,
	} {
		if got := loopback(place); got != want {
			t.Errorf("%s: %v", place, got)
		}
	}
}
