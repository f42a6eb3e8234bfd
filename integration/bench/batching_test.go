package bench

import (
	"slices"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// BenchmarkBatching runs the bare session on batches that the worker's batcher forms, in turns as it reckoned once, with a fixed part of an eighth of the budget for each batch, and as it does by the costs that it
// learns. fixed/learnt is the CPU time of the first over that of the second (median of the rounds): above 1 learning is worth something.
func BenchmarkBatching(b *testing.B) {
	for _, s := range []struct {
		name   string
		setup  setup
		window int
	}{
		{"text", textSetup(texts(b, 300)), 512},
		{"audio", audioSetup(clips(b, 24)), 64},
		{"images", imageSetup(pictures(b, 32)), 32},
	} {
		b.Run(s.name, func(b *testing.B) {
			x := openFormed(b, s.setup, s.window)
			x.pass(b, true) // the first runs of a session are slower
			for b.Loop() {
				var ratios []float64
				var last formed
				for range roundsOf(b) {
					before := x.pass(b, false)
					last = x.pass(b, true)
					after := x.pass(b, false)
					ratios = append(ratios, (before.cpu+after.cpu).Seconds()/2/last.cpu.Seconds())
					b.Logf("fixed %.1f and %.1f us of CPU a step, padding %.3f, %d batches; learnt %.1f us, padding %.3f, %d batches",
						1e6*before.perStep(), 1e6*after.perStep(), before.padding(), before.batches, 1e6*last.perStep(), last.padding(), last.batches)
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "fixed/learnt")
				b.ReportMetric(ratios[0], "lowest")
				b.ReportMetric(ratios[len(ratios)-1], "highest")
				b.ReportMetric(1/last.padding(), "useful/padded")
			}
			costs, _ := x.model.Costs()
			b.Logf("learnt: %.2f ms a batch, %.1f us a step, %.4f us a step and step of attention; predictions are off by %.3f", 1e3*costs.Fixed, 1e6*costs.Step, 1e6*costs.Square, x.model.Miss())
		})
	}
}

// former is a bare session with samples to form batches of.
type former struct {
	spec    *model.Spec
	graph   *model.Graph
	session embed.Session
	samples []embed.Sample
	limits  embed.BatcherConfig
	model   *embed.CostModel
}

// formed is what one pass over the samples came to.
type formed struct {
	cpu                     time.Duration
	useful, padded, batches int
}

func (f formed) perStep() float64 { return f.cpu.Seconds() / float64(f.useful) }
func (f formed) padding() float64 { return float64(f.padded) / float64(f.useful) }

func openFormed(b *testing.B, s setup, window int) *former {
	dir, cache := checkpoint(b, demoModels(b), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4)), b.TempDir()
	own := openBare(b, dir, cache, model.Single, s, nil)
	spec, err := model.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	pre, err := preprocessor(spec)
	if err != nil {
		b.Fatal(err)
	}
	x := &former{spec: own.spec, graph: own.graph, session: own.session, limits: embed.BatcherConfig{MaxCost: s.batch.MaxCost, MaxItems: s.batch.MaxItems, Window: window, MaxAge: time.Hour}}
	x.model = embed.NewCostModel(s.batch.MaxCost, spec.FLOPs)
	for _, it := range corpus(b, s.modality, 1, s.items) {
		got, err := pre.Preprocess(b.Context(), schemas.Ref{}, it.body)
		if err != nil {
			b.Fatal(err)
		}
		x.samples = append(x.samples, got...)
	}
	return x
}

// pass computes every sample once, as an engine whose window is always full.
func (x *former) pass(b *testing.B, learn bool) (f formed) {
	b.Helper()
	batcher := embed.NewBatcher[int](x.limits, embed.Shapes{})
	now := time.Unix(0, 0) // nothing gets old
	for i := 0; i < len(x.samples) || batcher.Len() > 0; {
		for i < len(x.samples) && !batcher.Full(embed.Live) {
			batcher.Add(now, embed.Live, 1, x.samples[i].Cost, i)
			i++
		}
		if learn {
			batcher.Expect(x.model.Costs())
		}
		batch, _ := batcher.Next(now)
		samples := make([]embed.Sample, len(batch.Items))
		for j, at := range batch.Items {
			samples[j] = x.samples[at]
		}
		tensors, err := embed.Collate(samples)
		if err != nil {
			b.Fatal(err)
		}
		cpu, began := cpuTime(b), time.Now()
		if _, err := x.session.Run(b.Context(), tensors); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		f.cpu += cpuTime(b) - cpu
		f.useful, f.padded, f.batches = f.useful+batch.Cost, f.padded+batch.Padded, f.batches+1
		if learn {
			x.model.Observe(len(batch.Items), batch.Padded/len(batch.Items), took.Seconds())
		}
	}
	return f
}
