//go:build integration

package bench

import (
	"fmt"
	"slices"
	"testing"

	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// TestRatiosHold is the gate against regressions: ratios of CPU time within one run, never times, with room for what else the machine does. A ratio
// counts if it is reached once in three rounds, as other work only ever takes away. What is measured is what make bench and BenchmarkPrecision measure, of a smaller model.
// The compiled graph against the exported one is not among them: that takes torch (make bench-graphs).
func TestRatiosHold(t *testing.T) {
	const layers = 2
	text := open(t, textSetup(150), layers)
	whole := openBare(t, text.dir, text.cache, model.Int8, text.setup, text.items)
	pictures := open(t, setup{schemas.Image, 24, config.Head{Task: string(schemas.TaskEmbedding)}, config.Batch{MaxCost: 1600, MaxItems: 8}}, layers)
	for _, gate := range []struct {
		name  string
		least float64
		ratio func(topic string) float64
	}{
		{"text: bare session over pipeline", 0.75, func(topic string) float64 { return text.round(t, topic) }},
		{"images: bare session over pipeline", 0.55, func(topic string) float64 { return pictures.round(t, topic) }},
		{"text: fp32 over int8", 1.15, func(string) float64 { return faster(t, text.bare, whole) }},
	} {
		var seen []float64
		for round := range 3 {
			seen = append(seen, gate.ratio(fmt.Sprintf("%d-%s", round, gate.name[:4])))
			if seen[round] >= gate.least {
				break
			}
		}
		t.Logf("%s: %.2f", gate.name, seen)
		if slices.Max(seen) < gate.least {
			t.Errorf("%s: %.2f, want %.2f at least once", gate.name, seen, gate.least)
		}
	}
}
