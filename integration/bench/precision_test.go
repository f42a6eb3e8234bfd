package bench

import (
	"math"
	"slices"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

// BenchmarkPrecision runs the bare session of the int8 graph and that of the fp32 graph in turns on the same batches, and reports x-speed, the CPU time
// of fp32 over that of int8 (median of the rounds), and lowest-cosine and mean-cosine of the items' states, averaged over padding too: random weights.
func BenchmarkPrecision(b *testing.B) {
	for name, s := range map[string]setup{
		"text":   {modality: schemas.Text, items: texts(b, 120), batch: textSetup(0).batch},
		"audio":  {modality: schemas.Audio, items: clips(b, 12), batch: audioSetup(0).batch},
		"images": {modality: schemas.Image, items: pictures(b, 24), batch: imageSetup(0).batch},
	} {
		b.Run(name, func(b *testing.B) {
			dir := checkpoint(b, demoModels(b), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4))
			items, cache := corpus(b, s.modality, 1, s.items), b.TempDir()
			single, whole := openBare(b, dir, cache, model.Single, s, items), openBare(b, dir, cache, model.Int8, s, items)
			single.run(b) // the first runs of a session are slower
			whole.run(b)
			for b.Loop() {
				var ratios []float64
				for range roundsOf(b) {
					ratios = append(ratios, faster(b, single, whole))
				}
				slices.Sort(ratios)
				b.ReportMetric(ratios[len(ratios)/2], "x-speed")
			}
			lowest, mean := closeness(b, single, whole)
			b.ReportMetric(lowest, "lowest-cosine")
			b.ReportMetric(mean, "mean-cosine")
		})
	}
}

// faster runs x, y, x: the CPU time of x over that of y.
func faster(b testing.TB, x, y *bare) float64 {
	before := x.run(b)
	cpu := y.run(b)
	return (before + x.run(b)).Seconds() / 2 / cpu.Seconds()
}

// closeness is the cosine of the mean states of each item under two sessions.
func closeness(b *testing.B, x, y *bare) (lowest, mean float64) {
	b.Helper()
	lowest, n := 1, 0
	for _, tensors := range x.batches {
		p, q := states(b, x, tensors), states(b, y, tensors)
		for i := range p {
			c := cosine(p[i], q[i])
			lowest, mean, n = min(lowest, c), mean+c, n+1
		}
	}
	return lowest, mean / float64(n)
}

// states are the mean states of a batch's items.
func states(b *testing.B, x *bare, tensors []embed.Tensor) [][]float64 {
	b.Helper()
	out, err := x.session.Run(b.Context(), tensors)
	if err != nil {
		b.Fatal(err)
	}
	t, ok := out.Tensor("last_hidden_state")
	if !ok {
		b.Fatal("no last_hidden_state")
	}
	width := int(t.Shape[2])
	all := make([][]float64, t.Shape[0])
	for i := range all {
		all[i] = make([]float64, width)
		for j, v := range t.F32[i*len(t.F32)/len(all) : (i+1)*len(t.F32)/len(all)] {
			all[i][j%width] += float64(v)
		}
	}
	return all
}

func cosine(p, q []float64) float64 {
	pq, pp, qq := 0.0, 0.0, 0.0
	for i := range p {
		pq, pp, qq = pq+p[i]*q[i], pp+p[i]*p[i], qq+q[i]*q[i]
	}
	return pq / math.Sqrt(pp*qq)
}
