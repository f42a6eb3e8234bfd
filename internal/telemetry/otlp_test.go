package telemetry

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcev1 "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP collector that listens below a path, as far as workers see it: it decodes what comes to the paths of the specification.
type collector struct {
	*httptest.Server
	mu                    sync.Mutex
	spans, metrics, stray []string            // names, and paths of requests that a collector does not know
	examples              []string            // "METRIC TRACE", of histograms
	key                   string              // of the last request
	asked                 int                 // requests to the paths of the specification
	links                 int                 // of all spans
	resources             []map[string]string // of metrics and of spans
}

func newCollector(t *testing.T, below string) *collector {
	t.Helper()
	c := &collector{}
	mux := http.NewServeMux()
	take := func(w http.ResponseWriter, r *http.Request, m proto.Message, names func() []string, to *[]string) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, m)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s: %v, %q", r.URL.Path, err, r.Header.Get("Content-Type"))
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked++
		c.key = r.Header.Get("Authorization")
		*to = append(*to, names()...)
	}
	mux.HandleFunc("POST "+below+"/v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var m collectortraces.ExportTraceServiceRequest
		take(w, r, &m, func() (names []string) {
			for _, rs := range m.ResourceSpans {
				c.keepResource(rs.Resource)
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						names = append(names, s.Name)
						c.links += len(s.Links)
					}
				}
			}
			return names
		}, &c.spans)
	})
	mux.HandleFunc("POST "+below+"/v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var m collectormetrics.ExportMetricsServiceRequest
		take(w, r, &m, func() (names []string) {
			for _, rm := range m.ResourceMetrics {
				c.keepResource(rm.Resource)
				for _, sm := range rm.ScopeMetrics {
					for _, x := range sm.Metrics {
						names = append(names, x.Name)
						c.keepExamples(x)
					}
				}
			}
			return names
		}, &c.metrics)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stray = append(c.stray, r.URL.Path)
		http.NotFound(w, r)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

// keepExamples keeps what the buckets of a histogram are linked to; c.mu is held.
func (c *collector) keepExamples(m *metrics.Metric) {
	for _, p := range m.GetHistogram().GetDataPoints() {
		for _, e := range p.Exemplars {
			c.examples = append(c.examples, m.Name+" "+hex.EncodeToString(e.TraceId))
		}
	}
}

// keepResource keeps what is said of a process; c.mu is held.
func (c *collector) keepResource(r *resourcev1.Resource) {
	said := map[string]string{}
	for _, a := range r.GetAttributes() {
		said[a.Key] = a.Value.GetStringValue()
	}
	c.resources = append(c.resources, said)
}

func TestACollectorTellsWorkersApart(t *testing.T) {
	said := func(t *testing.T, starts int) (all []map[string]string) {
		c := newCollector(t, "")
		for range starts {
			tel, err := Start(t.Context(), Config{OTLPEndpoint: c.URL, TraceRatio: 1, Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			if err := Observe(tel.Meter(), "speech", func() Reading { return Reading{} }); err != nil {
				t.Fatal(err)
			}
			_, span := tel.Tracer().Start(t.Context(), "vecmill.record")
			span.End()
			if err := tel.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.resources) != 2*starts {
			t.Fatalf("%d workers sent traces and metrics of %v", starts, c.resources)
		}
		return c.resources
	}
	t.Run("by an identity of their own", func(t *testing.T) {
		workers := map[string]int{}
		for _, r := range said(t, 2) {
			workers[r["service.instance.id"]]++
			if r["service.name"] != "vecmill" || r["service.version"] != "test" {
				t.Errorf("of %v", r)
			}
		}
		if len(workers) != 2 || workers[""] != 0 {
			t.Errorf("traces and metrics of two workers are of %v", workers)
		}
	})
	t.Run("by what the environment says", func(t *testing.T) {
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=lake.vecmill-0,k8s.pod.name=vecmill-0")
		t.Setenv("OTEL_SERVICE_NAME", "captions")
		want := map[string]string{"service.name": "captions", "service.version": "test", "service.instance.id": "lake.vecmill-0", "k8s.pod.name": "vecmill-0"}
		for _, r := range said(t, 1) {
			if !maps.Equal(r, want) {
				t.Errorf("of %v, want %v", r, want)
			}
		}
	})
}

func TestABatchIsLinkedToEachOfItsRecords(t *testing.T) {
	for limit, want := range map[string]int{"": 300, "200": 200} {
		t.Setenv("OTEL_SPAN_LINK_COUNT_LIMIT", limit)
		c := newCollector(t, "")
		tel, err := Start(t.Context(), Config{OTLPEndpoint: c.URL, TraceRatio: 1})
		if err != nil {
			t.Fatal(err)
		}
		records := make([]trace.Link, 300)
		for i := range records {
			records[i].SpanContext = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1, byte(i), byte(i >> 8)}, TraceFlags: trace.FlagsSampled})
		}
		_, span := tel.Tracer().Start(t.Context(), "vecmill.batch", trace.WithLinks(records...))
		span.End()
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		if c.links != want {
			t.Errorf("with a limit of %q a batch of 300 records has %d links, want %d", limit, c.links, want)
		}
		c.mu.Unlock()
	}
}

func TestACollectorGetsTracesAndMetricsAtThePathsOfOTLP(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer key")
	for _, at := range []struct{ below, endpoint string }{{"", ""}, {"", "/"}, {"/otlp", "/otlp"}, {"/a/b", "/a/b/"}} {
		c := newCollector(t, at.below)
		tel, err := Start(t.Context(), Config{OTLPEndpoint: c.URL + at.endpoint, TraceRatio: 1, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if err := Observe(tel.Meter(), "speech", func() Reading { return Reading{} }); err != nil {
			t.Fatal(err)
		}
		timers, err := NewTimers(tel.Meter(), "speech")
		if err != nil {
			t.Fatal(err)
		}
		kept, span := tel.Tracer().Start(t.Context(), "vecmill.record")
		timers.Record.Took(kept, 40*time.Millisecond)
		timers.Session.Took(t.Context(), 40*time.Millisecond) // of no trace
		span.End()
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		if want := []string{"vecmill_record_seconds " + span.SpanContext().TraceID().String()}; !slices.Equal(c.examples, want) {
			t.Errorf("%q: examples %q, want %q", at.endpoint, c.examples, want)
		}
		if !slices.Contains(c.spans, "vecmill.record") || !slices.Contains(c.metrics, "vecmill_records") || c.stray != nil || c.key != "Bearer key" {
			t.Errorf("%q: spans %q, %d metrics, elsewhere %q, key %q", at.endpoint, c.spans, len(c.metrics), c.stray, c.key)
		}
		c.mu.Unlock()
	}
}

func TestACollectorThatTakesNothingIsLoggedAndFailsNothing(t *testing.T) {
	var log lines
	c := httptest.NewServer(http.NotFoundHandler())
	defer c.Close()
	tel, err := Start(t.Context(), Config{OTLPEndpoint: c.URL, TraceRatio: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer().Start(t.Context(), "vecmill.record")
	span.End()
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if said := log.String(); strings.Count(said, "did not get out") != 1 || !strings.Contains(said, c.URL) || !strings.Contains(said, "404") {
		t.Errorf("the log says\n%s", said)
	}
}

// lines is a log that several goroutines write.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestACollectorThatIsAwayDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		f := &exportFaults{log: slog.New(slog.NewTextHandler(&log, nil)), endpoint: "http://collector:4318"}
		for range 30 { // two minutes and a half
			f.Handle(errors.New("connection refused"))
			time.Sleep(5 * time.Second)
		}
		said := log.String()
		if n := strings.Count(said, "\n"); n != 3 || !strings.Contains(said, "not_logged=11") || !strings.Contains(said, "connection refused") {
			t.Errorf("%d lines:\n%s", n, said)
		}
	})
}
