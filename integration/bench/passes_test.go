package bench

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"vecmill/embed/ortsession"
	"vecmill/model"
	"vecmill/model/graph"
	"vecmill/schemas"
)

// BenchmarkPasses runs the bare session of a graph that is made without one of the compiler's passes, and that of the graph with all, in turns on the same few batches (VECMILL_BENCH_TURNS). x-PASS is the CPU time without it over that with
// all, of the fastest quarter of the turns: above 1 the pass is worth something. Passes that make no other graph of a class are left out. The lowest cosine of an item's mean state must show that the same is computed.
func BenchmarkPasses(b *testing.B) {
	for name, s := range map[string]setup{
		"text":   {modality: schemas.Text, items: 24, batch: textSetup(0).batch},
		"audio":  {modality: schemas.Audio, items: 2, batch: audioSetup(0).batch},
		"images": {modality: schemas.Image, items: 8, batch: imageSetup(0).batch},
	} {
		b.Run(name, func(b *testing.B) {
			dir, cache := checkpoint(b, demoModels(b), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4)), b.TempDir()
			items := corpus(b, s.modality, 1, s.items)
			all := openBare(b, dir, cache, model.Single, s, items)
			all.run(b) // the first runs of a session are slower
			for b.Loop() {
				for _, pass := range graph.Passes() {
					without := openBareOn(b, dir, cache, way{without: pass, options: ortsession.Options{Threads: threads()}}, s, items)
					if equalFiles(b, without.graph.Path, all.graph.Path) {
						continue
					}
					without.run(b)
					worth := contest(b, turnsOf(b), without.run, all.run)
					b.ReportMetric(worth, "x-"+string(pass))
					lowest, _ := closeness(b, all, without)
					b.Logf("%s: %.3f, lowest cosine %.6f", pass, worth, lowest)
					if lowest < near {
						b.Errorf("without %s an item's mean state has a cosine of %.6f", pass, lowest)
					}
					if err := without.session.Close(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// turnsOf is how many turns a benchmark takes.
func turnsOf(b *testing.B) int { b.Helper(); return number(b, "VECMILL_BENCH_TURNS", 40) }

// contest runs x and y in turns, each of which the other begins, and gives the CPU time of x over that of y, in the fastest quarter of their turns: what other work on the machine disturbs least.
func contest(b testing.TB, turns int, x, y func(testing.TB) time.Duration) float64 {
	b.Helper()
	var took [2][]time.Duration
	for i := range 2 * turns {
		at := (i + i/2) % 2 // x y, y x, ...
		took[at] = append(took[at], []func(testing.TB) time.Duration{x, y}[at](b))
	}
	var fastest [2]time.Duration
	for i := range took {
		slices.Sort(took[i])
		for _, d := range took[i][:(turns+3)/4] {
			fastest[i] += d
		}
	}
	return fastest[0].Seconds() / fastest[1].Seconds()
}

func equalFiles(b *testing.B, x, y string) bool {
	b.Helper()
	var bodies [2][]byte
	for i, path := range []string{x, y} {
		var err error
		if bodies[i], err = os.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
	return bytes.Equal(bodies[0], bodies[1])
}
