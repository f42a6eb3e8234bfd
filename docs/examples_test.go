package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/internal/cli"
	"vecmill/internal/config"
	"vecmill/internal/demo"
	"vecmill/internal/wire"
	"vecmill/schemas"
	"vecmill/sinks/qdrantsink/qdranttest"
)

// stand puts bundled models in the place of the examples' models.
func (s *site) stand() *site {
	for name, model := range map[string]string{
		"SPEECH": "audio-ctc", "DOCUMENTS": "text-intent", "PASSAGES": "text-intent", "MESSAGES": "text-intent", "PICTURES": "vision-digits",
	} {
		s.pipeline(name, model)
	}
	s.env["VECMILL_PIPELINES_MESSAGES_OUTPUTS_0_REDIS_URL"] = "redis://" + s.redis.Addr()
	return s
}

func examples(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(all) < 4 {
		t.Fatalf("%v, %v", all, err)
	}
	return all
}

func TestEveryExampleIsValid(t *testing.T) {
	s := newSite(t).stand()
	for _, path := range examples(t) {
		c, err := config.Load(path, s.getenv)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := wire.CheckInputs(c); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := c.ValidateSource(); err != nil && filepath.Base(path) != "backfill.yaml" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTheExamplesRun runs the four as they are, with fakes of the servers.
func TestTheExamplesRun(t *testing.T) {
	s := newSite(t).stand()
	speech, words := s.upload(t, schemas.Audio, "calls", "2026/"), s.upload(t, schemas.Text, "documents", "")
	s.publish(t, "references", append(slices.Clone(speech), words...)...)
	s.publish(t, "documents", words...)
	s.publish(t, "messages", schemas.Ref{ID: "m-1", Inline: []byte("Will it rain in Oslo tomorrow?")}, schemas.Ref{ID: "m-2", Inline: []byte("Play some music.")})
	s.env["VECMILL_PIPELINES_PASSAGES_TEXT_MAX_TOKENS"] = "96" // the bundled model has 128 positions

	t.Run("lake", func(t *testing.T) {
		s.stream(t, "lake.yaml", map[string]int64{"speech": int64(len(speech)), "documents": int64(len(words))})
		s.audit(t, "lake.yaml", 2*len(speech)+len(words))
	})
	t.Run("features", func(t *testing.T) {
		s.stream(t, "features.yaml", map[string]int64{"messages": 2})
		s.audit(t, "features.yaml", 4) // of the Parquet files; Redis keeps no history to audit
		keys := s.redis.Keys()
		for _, want := range []string{"messages:classification:0:m-1", "messages:embedding:0:m-2"} {
			if !slices.Contains(keys, want) {
				t.Errorf("redis has no %s among %v", want, keys)
			}
		}
		if n := len(s.redis.HGet("messages:embedding:0:m-2", "vector")); n != 4*96 {
			t.Errorf("the vector of m-2 has %d bytes", n)
		}
		if s.redis.TTL("messages:embedding:0:m-2") <= 0 {
			t.Error("the rows stay for ever")
		}
	})
	t.Run("index", func(t *testing.T) {
		index := qdranttest.Start(t)
		s.env["VECMILL_PIPELINES_PASSAGES_OUTPUTS_1_QDRANT_URL"] = "http://" + index.Addr
		s.env["VECMILL_PIPELINES_PASSAGES_OUTPUTS_1_QDRANT_DIMENSION"] = "96" // of the bundled model
		s.stream(t, "index.yaml", map[string]int64{"passages": int64(len(words))})
		s.audit(t, "index.yaml", len(words)) // of the Parquet files; an index keeps no history to audit
		index.Held.Lock()
		defer index.Held.Unlock()
		passages := index.Held.Collections["passages"]
		if passages == nil || len(passages.Points) != len(words) {
			t.Fatalf("the index has %+v, want the passages of %d documents", passages, len(words))
		}
		found := map[string]bool{}
		for _, p := range passages.Points {
			found[p.GetPayload()["ref_id"].GetStringValue()] = true
			if n := len(p.GetVectors().GetVectors().GetVectors()["embedding"].GetDense().GetData()); n != 96 {
				t.Errorf("a point whose vector has %d numbers: %v", n, p.GetPayload())
			}
		}
		for _, ref := range words {
			if !found[ref.ID] {
				t.Errorf("the index lacks %s", ref.ID)
			}
		}
	})
	t.Run("backfill", func(t *testing.T) {
		n := len(s.upload(t, schemas.Image, "pictures", "2026/"))
		for name, v := range s.env {
			t.Setenv(name, v)
		}
		plan := filepath.Join(t.TempDir(), "plan")
		for _, c := range []struct {
			says string
			args []string
		}{
			{"20 of 20 references; 0 are computed already", []string{"plan", "--config", "examples/backfill.yaml", "--source", "s3://pictures/2026/", "--out", plan, "--try", "50ms"}},
			{"20 references, 40 rows, 0 skipped, 0 dead letters", []string{"run", "--config", "examples/backfill.yaml", "--plan", plan}},
			{"0 of 20 references; 20 are computed already", []string{"plan", "--config", "examples/backfill.yaml", "--source", "s3://pictures/2026/", "--out", plan + "-2", "--try", "50ms"}},
		} {
			var out, faults strings.Builder
			if code := cli.Backfill("test", c.args, &out, &faults); code != 0 || n != 20 || !strings.Contains(out.String(), c.says) {
				t.Fatalf("%v of %d: exit %d\n%s%s", c.args, n, code, out.String(), faults.String())
			}
		}
	})
}

// TestTheCompositionRuns runs the worker of deploy/compose.yaml on the references that it sends, with addresses and directories of this test's. That the file itself is a composition is
// make compose-check; images are not pulled, and no engine runs it.
func TestTheCompositionRuns(t *testing.T) {
	s := newSite(t)
	samples, err := filepath.Abs("../internal/demo/samples")
	if err != nil {
		t.Fatal(err)
	}
	s.pipeline("SPEECH", "audio-ctc")
	s.pipeline("SENTENCES", "text-intent")
	s.pipeline("PICTURES", "vision-digits")
	s.env["VECMILL_FETCH_FILE_ROOTS"] = samples
	for _, p := range []string{"SPEECH", "SENTENCES", "PICTURES"} {
		s.env["VECMILL_PIPELINES_"+p+"_DEAD_LETTERS_TOPIC"] = "documents-dead"
	}
	b, err := os.ReadFile("../deploy/compose/references.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	refs := bytes.Split(bytes.TrimSpace(bytes.ReplaceAll(b, []byte("file:///samples"), []byte("file://"+samples))), []byte("\n"))
	if all, err := demo.Samples(); err != nil || len(all) != len(refs) {
		t.Fatalf("%d references to %d samples, %v", len(refs), len(all), err)
	}
	s.produce(t, "references", refs...)
	s.stream(t, "../../deploy/compose/worker.yaml", map[string]int64{"speech": 12, "sentences": 16, "pictures": 20})
}

// stream runs the worker of an example until each pipeline has computed that many records, and stops it as SIGTERM would. What it reads else it must have
// passed over.
func (s *site) stream(t *testing.T, name string, want map[string]int64) {
	t.Helper()
	c, err := config.Load(filepath.Join("examples", name), s.getenv)
	if err != nil {
		t.Fatal(err)
	}
	c.Runtime.CacheDir = t.TempDir()
	w, err := wire.Open(t.Context(), c, wire.Options{Version: "test", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	for done := false; !done && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		done = true
		for _, p := range w.Stats() {
			done = done && p.Stream.Computed >= want[p.Pipeline]
		}
	}
	stats := w.Stats()
	late := ctx.Err()
	stop()
	if err := <-ended; err != nil || late != nil {
		t.Fatalf("%v, %v: %+v", err, late, stats)
	}
	for _, p := range stats {
		if p.Stream.Computed != want[p.Pipeline] || len(p.Stream.Dead) != 0 {
			t.Errorf("%s computed %d of %d; dead letters %v", p.Pipeline, p.Stream.Computed, want[p.Pipeline], p.Stream.Dead)
		}
	}
}

// audit holds what was written against Kafka, and counts the rows of all outputs that are audited.
func (s *site) audit(t *testing.T, name string, rows int) {
	t.Helper()
	for name, v := range s.env {
		t.Setenv(name, v)
	}
	var out, faults strings.Builder
	if code := cli.Backfill("test", []string{"audit", "--config", filepath.Join("examples", name)}, &out, &faults); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out.String(), faults.String())
	}
	found := 0
	for d := json.NewDecoder(strings.NewReader(out.String())); d.More(); {
		var report struct{ Rows int }
		if err := d.Decode(&report); err != nil {
			t.Fatal(err)
		}
		found += report.Rows
	}
	if found != rows {
		t.Errorf("%d rows, want %d\n%s", found, rows, out.String())
	}
}
