package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/internal/progress"
	"vecmill/internal/status"
	"vecmill/internal/telemetry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// source is a source that does what a test says.
type source func(ctx context.Context) error

// Run implements stream.Source.
func (s source) Run(ctx context.Context, _ stream.Assignments) error { return s(ctx) }

func newWorker[S stream.Source](t *testing.T, sources map[string]S) *Worker {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	tel, err := telemetry.Start(t.Context(), telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &Worker{log: log, telemetry: tel}
	for name, src := range sources {
		l := &line{name: name, faults: newFaults(log, name)}
		if l.engine, err = streamtest.NewEngine(time.Millisecond); err != nil {
			t.Fatal(err)
		}
		c := parquetsink.NewDefaultConfig()
		c.Store, c.Tasks = sinktest.NewMemStore(), []schemas.Task{schemas.TaskEmbedding}
		files, err := parquetsink.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if l.sink, err = sinks.NewTee(nil, sinks.Member{Name: outputName(0), Sink: files}); err != nil {
			t.Fatal(err)
		}
		if l.pipe, err = stream.New(stream.Config{
			Name: name, Modality: schemas.Text, MaxInFlight: 1, Fetchers: 1, Budget: 1, CommitInterval: time.Second, Log: log,
		}, src, streamtest.NewFetcher(1, 0), l.engine, l.sink, nil); err != nil {
			t.Fatal(err)
		}
		w.lines = append(w.lines, l)
	}
	return w
}

// What a run took is logged at its end: here an hour of two GPUs, of which nothing was made.
func TestTheEndOfARunSaysWhatItTook(t *testing.T) {
	w := newWorker(t, map[string]source{"a": func(context.Context) error { return nil }})
	var log bytes.Buffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	w.shown.started, w.shown.devices, w.shown.price = time.Now().Add(-time.Hour), 2, 3
	w.shown.lines.Store(&[]shownLine{{line: w.lines[0], about: status.About{Name: "a", Sessions: 1, Outputs: []string{"parquet"}}}})
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, stop)
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	said := map[string]map[string]any{}
	for line := range strings.Lines(log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		said[m["msg"].(string)] = m
	}
	cost, totals := said["cost"], said["totals"]
	if seconds, ok := cost["device_seconds"].(float64); !ok || seconds < 7200 || cost["price_per_million_rows"] != nil {
		t.Errorf("%v, want two hours of GPUs, and no price of no rows", cost)
	}
	if bottleneck, ok := totals["bottleneck"]; !ok || bottleneck != "" {
		t.Errorf("%v, want no bottleneck of what was idle", totals)
	}
}

func TestRunReturnsEveryFaultOfEveryPipeline(t *testing.T) {
	until := func(err error) source {
		return func(ctx context.Context) error { <-ctx.Done(); return err }
	}
	now := func(err error) source { return func(context.Context) error { return err } }
	broken := errors.New("broken")
	for _, c := range []struct {
		name    string
		sources map[string]source
		stop    bool     // the process is asked to stop
		want    []string // in the error; none means there is no error
	}{
		{"an orderly stop", map[string]source{"a": until(nil), "b": until(nil)}, true, nil},
		{"a pipeline that ends by itself leaves the others alone", map[string]source{"a": now(nil), "b": until(nil)}, true, nil},
		{"a fault stops the others", map[string]source{"a": now(broken), "b": until(nil)}, false, []string{"pipeline a: broken"}},
		{"a fault while draining is not lost in the stop", map[string]source{"a": until(broken), "b": until(nil)}, true, []string{"pipeline a: broken"}},
		{"two faults", map[string]source{"a": now(broken), "b": until(broken)}, false, []string{"pipeline a: broken", "pipeline b: broken"}},
		{"a fault that wraps a cancellation is a fault", map[string]source{"a": now(context.Canceled)}, false, []string{"pipeline a: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if c.stop {
				time.AfterFunc(10*time.Millisecond, stop)
			}
			w := newWorker(t, c.sources)
			err := w.Run(ctx)
			if (err != nil) != (len(c.want) > 0) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			var shown []string // what the live page has, while the others drain
			for _, l := range w.lines {
				for _, f := range l.faults.last() {
					shown = append(shown, f.Message)
				}
			}
			if slices.Sort(shown); len(shown) != len(c.want) || len(shown) > 0 && !strings.HasPrefix(shown[0], c.want[0]) {
				t.Errorf("the page shows %q, want %q", shown, c.want)
			}
		})
	}
}

func TestTheCostIsLoggedInOneOrder(t *testing.T) {
	one, two := 1.0, 2.0
	for range 20 { // of a map the order would be another one soon
		got := costAttributes(&progress.Cost{CPUSeconds: 3, DeviceSeconds: 4, PerMillion: &one, PricePerMillion: &two, Used: &one})
		if want := []any{"cpu_seconds", 3.0, "device_seconds", 4.0, "cpu_hours_per_million_rows", 1.0, "price_per_million_rows", 2.0, "flops_utilisation", 1.0}; !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}
