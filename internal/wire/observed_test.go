package wire

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"vecmill/internal/config"
	"vecmill/internal/status"
)

// A worker with an output that is in trouble at first: what /metrics has of its records meanwhile, and what the live page has of it all.
func TestAWorkerTellsItsTimesWithTracesAndTheTroublesOfItsOutputs(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer collector.Close()
	l := newLake(t, 12)
	l.conf.Telemetry = config.Telemetry{Listen: "127.0.0.1:0", OTLPEndpoint: collector.URL, TraceRatio: 1}
	var w *Worker
	var asked atomic.Int32
	metrics := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 { // the records in the request have their rows
			body, err := openMetrics(t, "http://"+w.MetricsAddr()+"/metrics")
			if err != nil {
				t.Error(err)
			}
			metrics <- body
			http.Error(rw, "no room", http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	p := &l.conf.Pipelines[0]
	p.Outputs = append(p.Outputs, config.Output{Webhook: &config.Webhook{URL: hook.URL, Secret: "key", Batch: config.Delivery{
		Rows: 500, Bytes: 1 << 20, Age: config.Duration(10 * time.Millisecond), InFlight: 1, MaxBuffered: 1 << 20, Timeout: config.Duration(time.Minute),
	}}})
	l.plan(t, "all", PlanOptions{Again: true})
	w = l.open(t, "all")
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := <-metrics
	for _, name := range []string{"record", "session"} {
		if !regexp.MustCompile(`vecmill_` + name + `_seconds_bucket\{pipeline="p",le="[^"]+"\} \d+ # \{.*trace_id="[0-9a-f]{32}"`).MatchString(body) {
			t.Errorf("no trace with vecmill_%s_seconds in\n%s", name, body)
		}
	}
	st, s := w.Status(), w.Stats()[0]
	shown := st.Pipelines[0]
	if sum(shown.Took) != 12 || s.Stream.Computed != 12 || sum(shown.Ran) != s.Embed.Batches || len(shown.Took) != len(st.Bounds)+1 {
		t.Errorf("%d records and %d batches have times, of %d and %d; %d buckets, %d bounds", sum(shown.Took), sum(shown.Ran), s.Stream.Computed, s.Embed.Batches, len(shown.Took), len(st.Bounds))
	}
	for _, stage := range shown.Stages {
		if stage.Workers > 0 && !regexp.MustCompile(fmt.Sprintf(`(?m)^vecmill_stage_workers\{pipeline="p",stage="%s"\} %d(\.0)?$`, stage.Name, stage.Workers)).MatchString(body) {
			t.Errorf("nothing says that %s has %d workers in\n%s", stage.Name, stage.Workers, body)
		}
	}
	if s.Embed.Queue <= 0 || s.Stream.Write <= 0 || s.Stream.Durable <= 0 || s.Stream.HoldBack <= 0 || s.Stream.Abandoned != 0 {
		t.Errorf("waits: queue %g s, hold-back %g s, write %s, durable %g s; %d abandoned", s.Embed.Queue, s.Stream.HoldBack, s.Stream.Write, s.Stream.Durable, s.Stream.Abandoned)
	}
	if n := len(shown.Written); n != 2 {
		t.Fatalf("%d outputs", n)
	}
	for i, kind := range []string{"parquet", "webhook"} {
		o := shown.Written[i]
		if o.Name != outputName(i) || o.Kind != kind || o.BestEffort || o.Rows != shown.Rows || o.Rows < 12 || o.Waiting != 0 || o.Settled != o.Rows || o.Busy <= 0 || o.Wait <= 0 || o.Held != 0 || o.Limit != int64(p.Outputs[i].Buffered()) {
			t.Errorf("%+v", o)
		}
		if !regexp.MustCompile(`(?m)^vecmill_output_rows_total\{output="outputs\[` + fmt.Sprint(i) + `\]",pipeline="p"\} `).MatchString(body) {
			t.Errorf("no rows of %s in\n%s", o.Name, body)
		}
	}
	if !regexp.MustCompile(`vecmill_output_rows_waiting\{output="outputs\[1\]",pipeline="p"\} [1-9]`).MatchString(body) { // those of the request that asked
		t.Errorf("nothing waits in\n%s", body)
	}
	if shown.Partitions != 0 || !shown.LagKnown || shown.Lag != 0 {
		t.Errorf("a list that has been read to its end: lag %d, known %t, of %d partitions", shown.Lag, shown.LagKnown, shown.Partitions)
	}
	if !shown.Private || len(shown.Recent) != 0 || len(shown.Letters) != 0 {
		t.Errorf("nobody has asked for recent items, and shown are %+v and %+v, private %t", shown.Recent, shown.Letters, shown.Private)
	}
	if len(shown.Faults) != 1 {
		t.Fatalf("faults: %+v", shown.Faults)
	}
	f := shown.Faults[0]
	if f.Output != "outputs[1]" || f.Class != status.FaultAnswer || f.Tries != 1 || f.Since == 0 || f.Until < f.Since || f.Advice == "" || !regexp.MustCompile("503.*no room").MatchString(f.Message) {
		t.Errorf("%+v", f)
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func openMetrics(t *testing.T, url string) (string, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking for metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
