package wire

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
)

// draftOf is a plan of so many short texts, all of which are its sample.
func draftOf(texts int) *backfill.Draft {
	d := &backfill.Draft{Counts: backfill.Counts{Planned: int64(texts)}}
	for i := range texts {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i), Inline: []byte("it is so")}})
	}
	return d
}

// tried is what a plan of texts tells that has no time for more than its least trials: one, and two that count.
func tried(t *testing.T, c *config.Config, m *loadedModel, texts int, log *slog.Logger) *backfill.Expectation {
	t.Helper()
	all, err := estimate(t.Context(), &stores{cfg: c}, &takers{c: c, models: []*loadedModel{m}, inputs: []input{{}}}, draftOf(texts), EstimateOptions{For: time.Nanosecond}, log)
	if err != nil {
		t.Fatal(err)
	}
	return &all[0]
}

// TestAPlanTriesBatchesAsARunHasThem keeps bytes by which two texts are too many, and with nothing kept says that the bound is none.
func TestAPlanTriesBatchesAsARunHasThem(t *testing.T) {
	const texts, trials = 12, 3
	for _, known := range []bool{false, true} {
		c, p := pipelineFor(t, textModel(t), "    heads: [{task: embedding}]")
		p.Batch.MaxBytes, p.Batch.Linger = 1500, config.Duration(50*time.Millisecond)
		m := described(t, c, p, embedtest.Config{})
		if err := m.open(t.Context(), c, p, quiet); err != nil {
			t.Fatal(err)
		}
		costs := measurement{Costs: embed.Costs{Fixed: 1, Step: 1}, Decoders: 1}
		if known {
			if err := keepMeasured(c.Runtime.CacheDir, func(all *measurements) {
				key := m.batchKey(p, os.DirFS("/"))
				all.Costs[key], all.Bytes[key] = costs, measurement{Costs: embed.Costs{Fixed: 1000, Step: 100}}
			}); err != nil {
				t.Fatal(err)
			}
		}
		s := m.sessions[0].(*embedtest.Session)
		before := s.Runs()
		var log bytes.Buffer
		tried(t, c, m, texts, slog.New(slog.NewTextHandler(&log, nil)))
		if warned := strings.Contains(log.String(), "batch.max_bytes bounds nothing"); warned == known {
			t.Errorf("known %v, warned %v", known, warned)
		}
		if n := s.Runs() - before; (n == trials*texts) != known {
			t.Errorf("known %v: %d batches of %d trials of %d texts", known, n, trials, texts)
		}
		if known && m.costs != costs {
			t.Errorf("trials begin with %+v, where a run would with %+v", m.costs, costs)
		}
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
	}
}
