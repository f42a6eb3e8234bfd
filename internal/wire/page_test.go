package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

// TestThePageOfAWorkerThatOpensIsLookedAt is for the race detector.
func TestThePageOfAWorkerThatOpensIsLookedAt(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // for the worker
	out := t.TempDir()
	cfg, p := pipelineFor(t, textModel(t), fmt.Sprintf(`    topics: [texts]
    heads: [{task: embedding}]
    dead_letters: {url: "file://%s/dead"}`, out))
	cfg.Kafka.Brokers, p.Outputs[0].Parquet.URL, cfg.Telemetry.Listen = []string{"127.0.0.1:9"}, "file://"+out+"/rows", address
	looking, stop := context.WithCancel(t.Context())
	var looks sync.WaitGroup
	looks.Go(func() {
		for looking.Err() == nil {
			req, err := http.NewRequestWithContext(looking, http.MethodGet, "http://"+address+"/status.json", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close() // unread
			}
		}
	})
	w, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Measure: true, Models: Models{described(t, cfg, p, embedtest.Config{})}})
	stop()
	looks.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if peak := w.Status().Peak; peak <= 0 {
		t.Errorf("%v operations a second", peak)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheEndOfARunKnowsEveryStage holds that a list which is opened after work began, and a line that has ended, hide no stage from the choice of the bottleneck.
func TestTheEndOfARunKnowsEveryStage(t *testing.T) {
	manifest, out := filepath.Join(t.TempDir(), "texts.jsonl"), t.TempDir()
	if err := os.WriteFile(manifest, []byte(`{"v":1,"id":"a","inline":"aXQ="}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, p := pipelineFor(t, textModel(t), fmt.Sprintf(`    topics: ["manifest:texts"]
    heads: [{task: embedding}]
    dead_letters: {url: "file://%s/dead"}`, out))
	p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
	w, err := Open(t.Context(), cfg, Options{
		File: "'/etc/my lake.yaml'", Program: "/opt/bin/worker", Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "texts", ReadOptions{}), Models: Models{described(t, cfg, p, embedtest.Config{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range w.shown.run().Pipelines[0].Stages {
		names = append(names, s.Name)
	}
	if got, want := strings.Join(names, " "), "fetch preprocess batch infer heads write"; got != want {
		t.Errorf("stages %q, want %q", got, want)
	}
	usual := embed.UsualBatch(schemas.Text, 1).Window
	if batch := w.Status().Pipelines[0].Stages[3]; batch.Name != "batch" || batch.Limit != int64(usual) {
		t.Errorf("%+v, of which %d may wait", batch, usual)
	}
	p.Priority = []string{"manifest:texts"}
	if n := w.shown.aboutOf(p, w.lines[0]).Window; n != 2*usual {
		t.Errorf("with priority %d may wait, want %d for each", n, usual)
	}
	if got, want := w.Status().Pipelines[0].Replay, "/opt/bin/worker dlq replay --config '/etc/my lake.yaml' --pipeline p --manifest letters.jsonl"; got != want {
		t.Errorf("letters are replayed by %q, want %q", got, want)
	}
	p.Topics = []string{"texts"}                                                                                          // a real one, whose records go back there
	for file, want := range map[string]string{"lake.yaml": "worker dlq replay --config lake.yaml --pipeline p", "": ""} { // a configuration that is in no file cannot be named
		var s shown
		s.begin(&Options{File: file}, cfg)
		if got := s.aboutOf(p, w.lines[0]).Replay; got != want {
			t.Errorf("letters are replayed by %q, want %q", got, want)
		}
	}
}
