package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"vecmill/embed/ortsession"
	"vecmill/internal/config"
)

// BenchmarkCallers is what the pipeline takes where as many batches as there are cores run at once, of one thread each, over what it takes where one batch after the other has all of them: in one session, or in as many.
// Ways take turns, and change who begins; the median of their rounds counts.
func BenchmarkCallers(b *testing.B) {
	for _, s := range []setup{textSetup(texts(b, 150)), audioSetup(clips(b, 12)), imageSetup(pictures(b, 40))} {
		b.Run(string(s.modality), func(b *testing.B) {
			l := open(b, s, number(b, "VECMILL_BENCH_LAYERS", 4))
			for b.Loop() {
				callers(b, l)
				b.ReportMetric(l.otherBits(b), "max-difference")
			}
		})
	}
}

// divisions of the cores; the first is what the others are held against.
var divisions = []struct {
	name  string
	model func() config.Model
}{
	{"all-threads", func() config.Model { return config.Model{Threads: threads(), Sessions: 1} }},
	{"callers", func() config.Model { return config.Model{Threads: 1, Sessions: 1, Callers: threads()} }},
	{"sessions", func() config.Model { return config.Model{Threads: 1, Sessions: threads()} }},
}

func callers(b *testing.B, l *laid) {
	cpu, wall := make([][]float64, len(divisions)), make([][]float64, len(divisions))
	for round := range roundsOf(b) {
		var told []string
		for turn := range divisions {
			i := (turn + round) % len(divisions)
			d := divisions[i]
			topic := fmt.Sprintf("%s-%s-%d-%d", l.modality, d.name, b.N, round)
			l.servers.publish(b, topic, l.items)
			c := configure(l.servers, l.setup, l.dir, l.cache, topic)
			m := &c.Pipelines[0].Model
			by := d.model()
			m.Threads, m.Sessions, m.Callers = by.Threads, by.Sessions, by.Callers
			p := runPipeline(b, c, l.setup.items)
			cpu[i], wall[i] = append(cpu[i], p.cpu.Seconds()), append(wall[i], p.wall.Seconds())
			told = append(told, fmt.Sprintf("%s %.2f s CPU, %.2f s wall, %d batches, padding %.3f", d.name, p.cpu.Seconds(), p.wall.Seconds(), p.stats.Embed.Batches, p.stats.Embed.PaddingRatio()))
		}
		load, _ := os.ReadFile("/proc/loadavg") // told where the system does
		b.Logf("round %d: %s; load %.5s", round, strings.Join(told, " | "), load)
	}
	for i, d := range divisions[1:] {
		b.ReportMetric(ratio(cpu[i+1], cpu[0]), d.name+"-cpu")
		b.ReportMetric(ratio(wall[i+1], wall[0]), d.name+"-wall")
	}
}

// ratio is the median of one way's rounds over those of the other.
func ratio(a, b []float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// otherBits is by how much numbers of a session of one thread differ at most from those of a session of all threads, over the largest of its tensor.
func (l *laid) otherBits(b *testing.B) (most float64) {
	b.Helper()
	alone := *l.bare
	alone.options = ortsession.Options{Threads: 1}
	alone.session = alone.open(b)
	for _, inputs := range l.bare.batches {
		want, err := l.bare.session.Run(b.Context(), inputs)
		if err != nil {
			b.Fatal(err)
		}
		got, err := alone.session.Run(b.Context(), inputs)
		if err != nil {
			b.Fatal(err)
		}
		for i := range want.Tensors {
			off, largest := 0.0, 0.0
			for j, v := range want.Tensors[i].F32 {
				off, largest = max(off, math.Abs(float64(v-got.Tensors[i].F32[j]))), max(largest, math.Abs(float64(v)))
			}
			if largest > 0 {
				most = max(most, off/largest)
			}
		}
	}
	return most
}
