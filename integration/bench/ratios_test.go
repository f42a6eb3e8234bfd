//go:build integration

package bench

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/cpu"

	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// TestRatiosHold is the gate against regressions: ratios of CPU time within one run, never times. Each must reach its bound once in five rounds, as other work on the machine, and on its host, only ever takes away. What is measured is what
// make bench and BenchmarkPrecision measure, of smaller models; of the pipeline, a change that costs a third misses them; of int8, one that takes half of the gain away does.
// The compiled graph against the exported one is TestGraphsHold's.
func TestRatiosHold(t *testing.T) {
	embedding := config.Head{Task: string(schemas.TaskEmbedding)}
	for _, m := range []struct {
		name         string
		setup        setup
		layers       int
		pipeline     float64 // bare session over it
		int8, slowly float64 // fp32 over int8, with instructions for products of bytes and without
	}{
		{"text", setup{schemas.Text, 150, embedding, config.Batch{MaxCost: 512, MaxItems: 64}}, 2, 0.7, 1.8, 1.15},
		{"audio", audioSetup(8), 2, 0.7, 1.3, 1.05},
		{"images", setup{schemas.Image, 24, embedding, config.Batch{MaxCost: 1600, MaxItems: 8}}, 4, 0.65, 1.5, 1.05}, // of two layers patches are too much
	} {
		t.Run(m.name, func(t *testing.T) {
			l := open(t, m.setup, m.layers)
			whole := openBare(t, l.dir, l.cache, model.Int8, l.setup, l.items)
			least := m.slowly
			if multipliesBytes() {
				least = m.int8
			}
			reach(t, "bare session over pipeline", m.pipeline, func(topic string) float64 { return l.ratio(t, topic) })
			reach(t, "fp32 over int8", least, func(string) float64 { return faster(t, l.bare, whole) })
		})
	}
}

// reach wants a ratio to be least once in five rounds.
func reach(t *testing.T, name string, least float64, ratio func(topic string) float64) {
	t.Helper()
	var seen []float64
	for round := range 5 {
		seen = append(seen, ratio(fmt.Sprintf("gate-%d", round)))
		if seen[round] >= least {
			break
		}
	}
	t.Logf("%s: %.2f", name, seen)
	if slices.Max(seen) < least {
		t.Errorf("%s: %.2f, want %.2f at least once", name, seen, least)
	}
}

// multipliesBytes says whether the processor has instructions for sums of products of bytes, with which the bounds of int8 were measured.
func multipliesBytes() bool { return cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI }
