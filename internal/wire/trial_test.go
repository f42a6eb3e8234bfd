package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/parquetsink"
)

// described is a text pipeline's model whose sessions are made of arithmetic, one of each of these.
func described(t *testing.T, c *config.Config, p *config.Pipeline, sessions ...embedtest.Config) *loadedModel {
	t.Helper()
	m, err := describeModel(t.Context(), c, p, &stores{cfg: c}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.Model.Sessions = len(sessions)
	m.opener = func(context.Context, model.Graph, ortsession.Options) (embed.Session, error) {
		s := sessions[0]
		sessions, s.Width = sessions[1:], m.spec.Text.HiddenSize
		return embedtest.NewSession(s), nil
	}
	return m
}

// textModel is a small checkpoint.
func textModel(t *testing.T) string {
	t.Helper()
	return classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t)
}

// TestEverySessionIsTriedBeforeWork holds that a sample by which sessions are judged has been computed: a graph that refuses it is none the worse.
func TestEverySessionIsTriedBeforeWork(t *testing.T) {
	noNumbers := embedtest.Config{NoNumbers: func() bool { return true }}
	fails := embedtest.Config{Fail: func() error { return errors.New("a fixed batch") }}
	for name, c := range map[string]struct {
		sessions []embedtest.Config
		known    bool
		said     int
	}{
		"both compute it":          {[]embedtest.Config{{}, {}}, true, 0},
		"neither does":             {[]embedtest.Config{fails, fails}, false, 2},
		"neither gives numbers":    {[]embedtest.Config{noNumbers, noNumbers}, false, 0},
		"one is broken from birth": {[]embedtest.Config{{}, fails}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
			m := described(t, cfg, p, c.sessions...)
			var log bytes.Buffer
			if err := m.open(t.Context(), cfg, p, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
				t.Fatal(err)
			}
			if said := strings.Count(log.String(), "a fixed batch"); (m.trial != nil) != c.known || said != c.said {
				t.Errorf("known: %v, want %v; said %d times, want %d:\n%s", m.trial != nil, c.known, said, c.said, log.String())
			}
			for _, s := range m.sessions {
				if n := s.(*embedtest.Session).Runs(); n != 1 {
					t.Errorf("a session has run %d times, want once", n)
				}
			}
			if err := m.close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAWorkerWhoseSessionBreaksBuriesNothing starts it until it gets through: what its sessions failed in is computed then, once.
func TestAWorkerWhoseSessionBreaksBuriesNothing(t *testing.T) {
	const texts = 40
	var lines []byte
	for i := range texts {
		lines = fmt.Appendf(lines, "{\"v\":1,\"id\":\"%d\",\"inline\":%q}\n", i, "aXQgaXMgc28=") // it is so
	}
	manifest, out := filepath.Join(t.TempDir(), "texts.jsonl"), t.TempDir()
	if err := os.WriteFile(manifest, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	// The first sessions compute the trial, and one of them a batch or two.
	for start, c := range []struct {
		breaks []int
		broken bool
	}{{[]int{2}, true}, {[]int{4, 3}, true}, {[]int{0}, false}} {
		cfg, p := pipelineFor(t, textModel(t), fmt.Sprintf(`    topics: ["manifest:texts"]
    batch: {max_items: 4, linger: 1ms}
    heads: [{task: embedding}]
    dead_letters: {url: "file://%s/dead"}`, out))
		p.Outputs[0].Parquet.URL = "file://" + out + "/rows"
		var sessions []embedtest.Config
		for _, n := range c.breaks {
			sessions = append(sessions, embedtest.Config{Breaks: n})
		}
		w, err := Open(t.Context(), cfg, Options{
			Log: slog.New(slog.DiscardHandler), Source: ManifestSource(cfg, manifest, "texts", ReadOptions{}), Models: Models{described(t, cfg, p, sessions...)},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Run(t.Context())
		if errors.Is(err, embed.ErrBroken) != c.broken || !c.broken && err != nil {
			t.Errorf("start %d ends with %v", start, err)
		}
		if s := w.Stats()[0].Stream; len(s.Dead) > 0 {
			t.Errorf("start %d has dead letters %v", start, s.Dead)
		}
	}
	if got := rowsIn(t, filepath.Join(out, "rows"), "manifest:texts"); len(got) != texts {
		t.Errorf("%d rows, want %d", len(got), texts)
	} else {
		for id, n := range got {
			if n != 1 {
				t.Errorf("%s has %d rows", id, n)
			}
		}
	}
}

// rowsIn counts the rows of each reference in the files of a source.
func rowsIn(t *testing.T, dir, topic string) map[string]int {
	t.Helper()
	st, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := parquetsink.Chain(t.Context(), st, "", schemas.SourceID{Pipeline: "p", Topic: topic}, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(t.Context(), st, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			got[rows[i].RefID]++
		}
	}
	return got
}
