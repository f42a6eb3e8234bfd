package telemetry

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// scrape asks for metrics as Prometheus does.
func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tel.Addr()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openmetrics-text") {
		t.Fatalf("%v, %q", err, resp.Header.Get("Content-Type"))
	}
	return string(body)
}

func TestABucketHasTheTraceOfARecordInItThatIsKept(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	timers, err := NewTimers(tel.Meter(), "speech")
	if err != nil {
		t.Fatal(err)
	}
	id := trace.SpanContextConfig{TraceID: trace.TraceID{7}, SpanID: trace.SpanID{8}}
	dropped := trace.NewSpanContext(id)
	id.TraceID, id.TraceFlags = trace.TraceID{9}, trace.FlagsSampled
	kept := trace.NewSpanContext(id)
	timers.Record.Took(t.Context(), 20*time.Millisecond)
	timers.Record.Took(trace.ContextWithSpanContext(t.Context(), dropped), 20*time.Millisecond)
	timers.Record.Took(trace.ContextWithSpanContext(t.Context(), kept), 40*time.Millisecond)
	timers.Session.Took(trace.ContextWithSpanContext(t.Context(), kept), 2*time.Second)
	body := scrape(t, tel)
	for _, want := range []string{
		"# TYPE vecmill_record_seconds histogram\n",
		`vecmill_record_seconds_bucket{pipeline="speech",le="0.02"} 2` + "\n", // no example: neither is kept
		`vecmill_record_seconds_count{pipeline="speech"} 3`,
		`vecmill_session_seconds_bucket{pipeline="speech",le="1.5"} 0`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	for _, bucket := range []string{`record_seconds_bucket{pipeline="speech",le="0.05"} 3`, `session_seconds_bucket{pipeline="speech",le="2.0"} 1`} {
		_, example, _ := strings.Cut(body, "\nvecmill_"+bucket+" # ")
		example, _, _ = strings.Cut(example, "\n")
		if !strings.Contains(example, `trace_id="`+kept.TraceID().String()+`"`) || !strings.Contains(example, `span_id="`+kept.SpanID().String()+`"`) { // in any order
			t.Errorf("%s has the example %q", bucket, example)
		}
	}
	if strings.Contains(body, dropped.TraceID().String()) {
		t.Error("a trace that nobody keeps is an example")
	}
	if !strings.HasSuffix(body, "# EOF\n") {
		t.Error("not whole")
	}
}

func TestTimesAreCountedInTheBucketThatTheyBound(t *testing.T) {
	tel, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	timers, err := NewTimers(tel.Meter(), "p")
	if err != nil {
		t.Fatal(err)
	}
	bounds := Bounds()
	if !slices.IsSorted(bounds) {
		t.Fatal(bounds)
	}
	for i, b := range bounds {
		if i > 0 && b/bounds[i-1] > 1.67 {
			t.Errorf("%v is far above %v", b, bounds[i-1])
		}
		timers.Record.Took(t.Context(), time.Duration(b*float64(time.Second)))
	}
	timers.Record.Took(t.Context(), 0)
	timers.Record.Took(t.Context(), time.Hour)
	want := slices.Repeat([]int64{1}, len(bounds)+1)
	want[0] = 2
	if got := timers.Record.Counts(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func BenchmarkTook(b *testing.B) {
	tel, err := Start(b.Context(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	timers, err := NewTimers(tel.Meter(), "p")
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		timers.Record.Took(ctx, 123*time.Millisecond)
	}
}
