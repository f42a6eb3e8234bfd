package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

// BenchmarkCallers is what the pipeline takes where as many batches as there are cores run at once, of one thread each, over what it takes where one batch after the other has all of them: in one session, or in as many.
// Ways take turns, and change who begins; the median of their rounds counts.
func BenchmarkCallers(b *testing.B) {
	for _, s := range []setup{textSetup(texts(b, 150)), audioSetup(clips(b, 12)), imageSetup(pictures(b, 40))} {
		b.Run(string(s.modality), func(b *testing.B) {
			l := open(b, s, number(b, "VECMILL_BENCH_LAYERS", 4))
			for b.Loop() {
				inTurns(b, l, model.Single, divisions)
				b.ReportMetric(l.otherBits(b), "max-difference")
			}
		})
	}
}

// setting is one way to run a pipeline.
type setting struct {
	name string
	set  func(*config.Pipeline)
}

// divisions of the cores.
var divisions = []setting{
	{"all-threads", func(p *config.Pipeline) { p.Model.Threads, p.Model.Sessions = threads(), 1 }},
	{"callers", alone},
	{"sessions", func(p *config.Pipeline) { p.Model.Threads, p.Model.Sessions = 1, threads() }},
}

func alone(p *config.Pipeline) { p.Model.Threads, p.Model.Sessions, p.Model.Callers = 1, 1, threads() }

// BenchmarkSizes is what the pipeline takes with batches of other sizes than the usual ones, as many of one thread each at once as there are cores, over what it takes with those; see BenchmarkCallers.
func BenchmarkSizes(b *testing.B) {
	for _, s := range []setup{textSetup(texts(b, 150)), audioSetup(clips(b, 12)), imageSetup(pictures(b, 40))} {
		usual := embed.UsualBatch(s.modality, 1)
		var ways []setting
		for _, times := range []float64{1, 0.5, 2, 4} {
			cost, items := int(times*float64(usual.MaxCost)), int(max(1, times*float64(usual.MaxItems)))
			ways = append(ways, setting{fmt.Sprint(cost), func(p *config.Pipeline) {
				alone(p)
				p.Batch = config.Batch{MaxCost: cost, MaxItems: items, Window: max(usual.Window, 2*threads()*items)} // two batches for each that computes
			}})
		}
		for _, precision := range []model.Precision{model.Single, model.Int8} {
			b.Run(string(s.modality)+"/"+name(precision), func(b *testing.B) {
				l := open(b, s, number(b, "VECMILL_BENCH_LAYERS", 4))
				for b.Loop() {
					inTurns(b, l, precision, ways)
				}
			})
		}
	}
}

// inTurns runs the pipeline each way, and reports CPU time and wall time over those of the first way in the same round.
func inTurns(b *testing.B, l *laid, precision model.Precision, ways []setting) {
	b.Helper()
	cpu, wall := make([][]float64, len(ways)), make([][]float64, len(ways))
	for round := range roundsOf(b) {
		var told []string
		for turn := range ways {
			i := (turn + round) % len(ways)
			topic := fmt.Sprintf("%s-%s-%s-%d-%d", l.modality, name(precision), ways[i].name, b.N, round)
			l.servers.publish(b, topic, l.items)
			c := configure(l.servers, l.setup, l.dir, l.cache, topic)
			c.Pipelines[0].Model.Precision = string(precision)
			ways[i].set(&c.Pipelines[0])
			p := runPipeline(b, c, l.setup.items)
			cpu[i], wall[i] = append(cpu[i], p.cpu.Seconds()), append(wall[i], p.wall.Seconds())
			told = append(told, fmt.Sprintf("%s %.2f s CPU, %.2f s wall, %d batches, padding %.3f", ways[i].name, p.cpu.Seconds(), p.wall.Seconds(), p.stats.Embed.Batches, p.stats.Embed.PaddingRatio()))
		}
		load, _ := os.ReadFile("/proc/loadavg") // told where the system does
		b.Logf("round %d: %s; load %.5s", round, strings.Join(told, " | "), load)
	}
	for i, w := range ways[1:] {
		b.ReportMetric(ratio(cpu[i+1], cpu[0]), w.name+"-cpu")
		b.ReportMetric(ratio(wall[i+1], wall[0]), w.name+"-wall")
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
	one := *l.bare
	one.options = ortsession.Options{Threads: 1}
	one.session = one.open(b)
	for _, inputs := range l.bare.batches {
		want, err := l.bare.session.Run(b.Context(), inputs)
		if err != nil {
			b.Fatal(err)
		}
		got, err := one.session.Run(b.Context(), inputs)
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
