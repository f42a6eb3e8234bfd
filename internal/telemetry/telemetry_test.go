package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"vecmill/embed"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func number(v float64) *float64 { return &v }

func TestTotalsAreServedAsMetrics(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	err = Observe(tel.Meter(), "speech", func() Reading {
		return Reading{
			Stream: stream.Stats{Partitions: 2, Lag: 8, Records: 7, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 2}, Fetch: 3 * time.Second, ReserveWait: time.Second, FetchQueue: 2e10, Unfetched: 17, HoldBack: 5e10, Write: 6 * time.Second, Durable: 7, Abandoned: 3},
			Embed: embed.Stats{
				Sessions: 3, Waiting: 4, WaitingCost: 1200, Collate: 3 * time.Second, Undecoded: 13, PreprocessWait: 1.1e10, Queue: 9e10, FLOPs: 3e9,
				Devices: []embed.DeviceCosts{{Device: "0", Costs: embed.Costs{Fixed: 0.5, Step: 0.25}, Miss: 0.125}, {Device: "1", Costs: embed.Costs{Fixed: 2}}},
			}, Step: 0.02, Peak: 5e10,
			Cost: Cost{DeviceSeconds: 60, PerMillion: number(0.5), Used: number(0.25)}, Slowest: "infer", Workers: []StageWorkers{{"fetch", 16}, {"infer", 3}},
			Outputs: []sinks.MemberStats{{Name: "outputs[0]", Rows: 70}, {Name: "outputs[1]", Rows: 60, Waiting: 10, Write: 4 * time.Second, Durable: 1e10, Dropped: 5, Held: 3000, Limit: 4096}},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(t, "http://"+tel.Addr()+"/metrics")
	for _, want := range []string{
		`vecmill_records_total{pipeline="speech"} 7`,
		`vecmill_partitions_assigned{pipeline="speech"} 2`,
		`vecmill_lag_records{pipeline="speech"} 8`,
		`vecmill_dead_letters_total{pipeline="speech",reason="decode"} 2`,
		`vecmill_dead_letters_total{pipeline="speech",reason="panic"} 0`,
		`vecmill_fetch_busy_seconds_total{pipeline="speech"} 2`,
		`vecmill_fetch_queue_wait_seconds_total{pipeline="speech"} 2e+10`,
		`vecmill_references_waiting{pipeline="speech"} 17`,
		`vecmill_sessions{pipeline="speech"} 3`,
		`vecmill_collate_busy_seconds_total{pipeline="speech"} 3`,
		`vecmill_samples_waiting{pipeline="speech"} 4`,
		`vecmill_samples_waiting_cost{pipeline="speech"} 1200`,
		`vecmill_preprocess_wait_seconds_total{pipeline="speech"} 1.1e+10`,
		`vecmill_objects_waiting{pipeline="speech"} 13`,
		`vecmill_step_audio_seconds{pipeline="speech"} 0.02`,
		`vecmill_queue_wait_seconds_total{pipeline="speech"} 9e+10`,
		`vecmill_holdback_wait_seconds_total{pipeline="speech"} 5e+10`,
		`vecmill_write_busy_seconds_total{pipeline="speech"} 6`,
		`vecmill_durable_wait_seconds_total{pipeline="speech"} 7`,
		`vecmill_records_abandoned_total{pipeline="speech"} 3`,
		`vecmill_flops_total{pipeline="speech"} 3e+09`,
		`vecmill_peak_flops{pipeline="speech"} 5e+10`,
		`vecmill_flops_utilisation_ratio{pipeline="speech"} 0.25`,
		`vecmill_device_seconds_total{pipeline="speech"} 60`,
		`vecmill_cpu_hours_per_million_rows{pipeline="speech"} 0.5`,
		`vecmill_bottleneck{pipeline="speech",stage="infer"} 1`,
		`vecmill_stage_workers{pipeline="speech",stage="fetch"} 16`,
		`vecmill_stage_workers{pipeline="speech",stage="infer"} 3`,
		`vecmill_batch_fixed_seconds{device="0",pipeline="speech"} 0.5`,
		`vecmill_batch_fixed_seconds{device="1",pipeline="speech"} 2`,
		`vecmill_batch_step_seconds{device="0",pipeline="speech"} 0.25`,
		`vecmill_batch_prediction_error_ratio{device="0",pipeline="speech"} 0.125`,
		`vecmill_output_rows_total{output="outputs[0]",pipeline="speech"} 70`,
		`vecmill_output_rows_total{output="outputs[1]",pipeline="speech"} 60`,
		`vecmill_output_rows_waiting{output="outputs[1]",pipeline="speech"} 10`,
		`vecmill_output_rows_dropped_total{output="outputs[1]",pipeline="speech"} 5`,
		`vecmill_output_write_busy_seconds_total{output="outputs[1]",pipeline="speech"} 4`,
		`vecmill_output_durable_wait_seconds_total{output="outputs[1]",pipeline="speech"} 1e+10`,
		`vecmill_output_buffered_bytes{output="outputs[1]",pipeline="speech"} 3000`,
		`vecmill_output_buffer_limit_bytes{output="outputs[1]",pipeline="speech"} 4096`,
		"\ngo_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, "vecmill_price_per_million_rows{") {
		t.Errorf("a price that nobody told in\n%s", body)
	}
}

// TestWithoutAPartitionThereIsNoLag: 0 would say that all is done, and nobody knows.
func TestWithoutAPartitionThereIsNoLag(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	for name, partitions := range map[string]int{"reads": 1, "joins": 0} {
		s := stream.Stats{Records: 4, Partitions: partitions}
		if err := Observe(tel.Meter(), name, func() Reading { return Reading{Stream: s, Embed: embed.Stats{Cost: 8}} }); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, "http://"+tel.Addr()+"/metrics")
	for _, name := range []string{"vecmill_lag_records", "vecmill_lag_cost"} {
		if !strings.Contains(body, name+`{pipeline="reads"} 0`) || strings.Contains(body, name+`{pipeline="joins"}`) {
			t.Errorf("%s in\n%s", name, body)
		}
	}
	if !strings.Contains(body, `vecmill_partitions_assigned{pipeline="joins"} 0`) {
		t.Errorf("nothing says that no partition is assigned in\n%s", body)
	}
}

// TestAWorkerIsToldBeforeItsModelsAreLoaded: what starts has no reading yet, at /metrics as at a collector, which knows it by what the environment says.
func TestAWorkerIsToldBeforeItsModelsAreLoaded(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-1")
	c := newCollector(t, "")
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", OTLPEndpoint: c.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"speech", "pictures"} {
		if err := Begin(tel.Meter(), name, time.UnixMilli(1_500_000_000_250)); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, "http://"+tel.Addr()+"/metrics")
	if !strings.Contains(body, "\nprocess_start_time_seconds ") { // which the alerts ask a backfill for
		t.Errorf("no start of the process in\n%s", body)
	}
	for _, name := range []string{"speech", "pictures"} {
		if want := `vecmill_start_time_seconds{pipeline="` + name + `"} 1.50000000025e+09` + "\n"; !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if err := tel.Shutdown(context.Background()); err != nil { // sends what there is
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.metrics, "vecmill_start_time_seconds") {
		t.Errorf("the collector got %q", c.metrics)
	}
	if !slices.ContainsFunc(c.resources, func(r map[string]string) bool {
		return r["service.instance.id"] == "pod-1" && r["service.name"] == "vecmill"
	}) {
		t.Errorf("of %q", c.resources)
	}
}

func TestLagCostsWhatRecordsHaveCost(t *testing.T) {
	for name, c := range map[string]struct {
		stream stream.Stats
		embed  embed.Stats
		want   float64
	}{
		"nothing was read":                             {stream.Stats{Lag: 1000}, embed.Stats{}, 0},
		"some have rows":                               {stream.Stats{Lag: 1000, Records: 40, InFlight: 10, Computed: 30}, embed.Stats{Objects: 35, Cost: 600, WaitingCost: 100}, 1000 * 20},
		"some are others', and some letters":           {stream.Stats{Lag: 1000, Records: 40, Computed: 30, Skipped: 8, Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 1, schemas.ReasonModel: 1}}, embed.Stats{Cost: 600}, 1000 * 15},
		"an output takes nothing: all are in flight":   {stream.Stats{Lag: 1000, Records: 40, InFlight: 40, Computed: 30}, embed.Stats{Objects: 30, Cost: 600}, 1000 * 20},
		"it took a few before that":                    {stream.Stats{Lag: 1000, Records: 40, InFlight: 38, Computed: 30}, embed.Stats{Objects: 30, Cost: 600}, 1000 * 20},
		"the first batch of a slow model is computing": {stream.Stats{Lag: 1000, Records: 40, InFlight: 40}, embed.Stats{Objects: 30, Cost: 200, WaitingCost: 400}, 1000 * 20},
	} {
		if got := (&Reading{Stream: c.stream, Embed: c.embed}).LagCost(); got != c.want {
			t.Errorf("%s: %g steps, want %g", name, got, c.want)
		}
	}
}

func TestReadinessFollowsTheWorker(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	url := "http://" + tel.Addr()
	if code, _ := get(t, url+"/livez"); code != 200 {
		t.Fatalf("livez %d", code)
	}
	if code, _ := get(t, url+"/readyz"); code != 503 {
		t.Fatalf("readyz %d before it is ready", code)
	}
	for _, c := range []struct {
		ready func() string
		code  int
		says  string
	}{
		{func() string { return "pipeline p has not joined" }, 503, "pipeline p has not joined\n"},
		{func() string { return "" }, 200, "ok\n"},
		{nil, 503, "starting or stopping\n"},
	} {
		tel.Ready(c.ready)
		if code, said := get(t, url+"/readyz"); code != c.code || said != c.says {
			t.Errorf("readyz %d %q, want %d %q", code, said, c.code, c.says)
		}
	}
}

func TestTheLogLevelCanBeChanged(t *testing.T) {
	var level slog.LevelVar
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Level: &level})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	url := "http://" + tel.Addr() + "/log/level"
	for _, c := range []struct {
		body   string
		status int
		want   slog.Level
	}{{"debug\n", 200, slog.LevelDebug}, {"loud", 400, slog.LevelDebug}, {strings.Repeat("x", 1000), 400, slog.LevelDebug}, {"ERROR", 200, slog.LevelError}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status || level.Level() != c.want {
			t.Errorf("%.10q: status %d, level %v", c.body, resp.StatusCode, level.Level())
		}
	}
	if status, body := get(t, url); status != 200 || body != "ERROR\n" {
		t.Errorf("asked: %d %q", status, body)
	}
}

// A batch belongs to no record, and is kept if one of its records is.
func TestBatchesOfKeptRecordsAreKept(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(linked{sdktrace.ParentBased(sdktrace.NeverSample())})).Tracer("")
	id := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}
	dropped := trace.NewSpanContext(id)
	id.TraceFlags = trace.FlagsSampled
	for _, links := range [][]trace.Link{nil, {{SpanContext: dropped}}, {{SpanContext: dropped}, {SpanContext: trace.NewSpanContext(id)}}} {
		_, s := tracer.Start(t.Context(), "batch", trace.WithLinks(links...))
		s.End()
	}
	if ended := spans.Ended(); len(ended) != 1 || len(ended[0].Links()) != 2 {
		t.Errorf("kept: %v", ended)
	}
}

func TestATakenAddressIsNamed(t *testing.T) {
	tel, err := Start(t.Context(), Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer tel.Shutdown(context.Background())
	if _, err := Start(t.Context(), Config{Listen: tel.Addr()}); err == nil || !strings.Contains(err.Error(), "telemetry.listen") {
		t.Fatal(err)
	}
}
