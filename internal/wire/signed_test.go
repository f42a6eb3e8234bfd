package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/segmentio/kafka-go"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"vecmill/internal/config"
	"vecmill/sinks"
)

// traced is a collector that keeps the spans that it is sent.
type traced struct {
	url   string
	mu    sync.Mutex
	spans []*tracev1.Span
	raw   []byte // all that came
}

func newTraced(t *testing.T) *traced {
	t.Helper()
	c := &traced{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			return // metrics
		}
		var m collectortraces.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, rs := range m.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

// TestASignatureIsInTheRecordAlone has objects behind signed URIs, of which one is well, in records of one and of two references: neither logs, traces, the live page nor the messages of dead letters have what opens them. The letter's record
// has it, and the uri of the row: they are what the producer said.
func TestASignatureIsInTheRecordAlone(t *testing.T) {
	const signature = "5ec7e75ec7e7"
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("X-Amz-Signature") != signature:
			http.Error(w, "no signature", http.StatusForbidden)
		case r.URL.Path == "/well":
			_, _ = io.WriteString(w, "hello")
		case r.URL.Path == "/away":
			http.Redirect(w, r, "https://other.example/x?"+r.URL.RawQuery, http.StatusFound)
		case r.URL.Path == "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			http.NotFound(w, r)
		}
	}))
	defer host.Close()
	w := newInputWorld(t, "live")
	ref := func(path, more string) string {
		uri := host.URL + path + "?X-Amz-Credential=AKID&X-Amz-Signature=" + signature
		return fmt.Sprintf(`{"id":%q,"uri":%q,"modality":"text"%s}`, uri, uri, more)
	}
	var records []kafka.Record
	for _, refs := range []string{
		ref("/well", ""), ref("/away", ""), ref("/busy", ""), ref("/gone", ""),
		ref("/away", "") + "," + ref("/gone", ""),
		ref("/away", "") + "," + ref("/away", `,"attributes":{"a":"b"}`), // what may be one object, twice
	} {
		records = append(records, record(`{"refs":[`+refs+`]}`))
	}
	w.produce(t, "live", records...)
	c := w.config(t, [2]string{"p", "  topics: [live]\n  input: {format: json, map: value.refs}"})
	collector := newTraced(t)
	c.Telemetry = config.Telemetry{Listen: "127.0.0.1:0", OTLPEndpoint: collector.url, TraceRatio: 1, Recent: true}
	c.Fetch.Hosts, c.Fetch.PrivateHosts, c.Fetch.Attempts = []string{host.URL}, true, 1
	var log bytes.Buffer
	worker := w.runTo(t, c, &log, int64(len(records)))

	shown := worker.Status().Pipelines[0]
	if len(shown.Recent) != 1 || len(shown.Letters) != len(records)-1 || strings.Count(log.String(), "dead letter") < len(records)-1 || len(collector.spans) == 0 {
		t.Fatalf("%d items and %d letters on the page, %d spans; the log is\n%s", len(shown.Recent), len(shown.Letters), len(collector.spans), log.String())
	}
	page, err := json.Marshal(worker.Status())
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"log": log.String(), "page": string(page), "traces": string(collector.raw)}
	letters, err := OpenLettersAt(t.Context(), c, []config.DeadLetters{c.Pipelines[0].DeadLetters}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer letters.Close()
	if err := letters.Stores[0].Letters(t.Context(), func(l sinks.StoredLetter) error {
		places[fmt.Sprintf("message %d, %s", l.Offset, l.Reason)] = l.Message
		if !strings.Contains(string(l.Value), signature) {
			t.Errorf("the record of a letter is %s", l.Value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(places) != 3+len(records)-1 {
		t.Errorf("%d letters, want one of each record but the first", len(places)-3)
	}
	for place, text := range places {
		if strings.Contains(text, signature) || strings.Contains(text, "AKID") || !strings.Contains(text, "?...") {
			t.Errorf("%s has\n%s", place, text)
		}
	}
	if rows := w.rows(t, "p", "live"); len(rows) != 1 || !strings.Contains(rows[0].URI, signature) {
		t.Errorf("rows: %+v", rows)
	}
}
