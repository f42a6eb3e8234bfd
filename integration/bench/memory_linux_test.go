package bench

import (
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

// BenchmarkMemory holds what a session's arena is bound to hold, by full batches and single items of lengths that grow by half, against what it holds after each batch that the worker's batcher forms, in a new session
// of its own: missed and over are by how much of it the worst prediction is below and above, raised is what predictions were raised by so that they hold for the former. held is what the memory of this process grows by in an ordinary session that has run all of these, over the largest
// prediction.
func BenchmarkMemory(b *testing.B) {
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
			options := ortsession.Options{Threads: threads()}
			arena := func(batch []embed.Sample) float64 {
				tensors, err := embed.Collate(batch)
				if err != nil {
					b.Fatal(err)
				}
				n, err := ortsession.Arena(b.Context(), *x.graph, options, tensors)
				if err != nil {
					b.Fatal(err)
				}
				return float64(n)
			}
			for b.Loop() {
				batches := x.batches()
				grew := grownBy(b, x, options, batches) // first: what other sessions have freed would be taken again, and be nothing new
				var seen []embed.Seen
				for _, c := range x.corners() {
					seen = append(seen, embed.Seen{Items: len(c), Longest: c[0].Cost, Needed: arena(c)})
				}
				bound, raised := embed.Bound(seen)
				missed, over, largest := 0.0, 0.0, 0.0
				for _, batch := range batches {
					longest := longestOf(batch)
					is, told := arena(batch), bound.Batch(len(batch), longest)
					missed, over, largest = max(missed, 1-told/is), max(over, told/is-1), max(largest, told)
					b.Logf("%d x %d steps: %.1f MB, predicted %.1f", len(batch), longest, is/1e6, told/1e6)
				}
				b.ReportMetric(raised, "raised")
				b.ReportMetric(missed, "missed")
				b.ReportMetric(over, "over")
				b.ReportMetric(largest/1e6, "largest-MB")
				b.ReportMetric(grew/largest, "held")
				b.Logf("bytes: %.1f MB a batch, %.1f MB an item at least, %.1f kB a step, %.3f kB a step and step of attention", bound.Fixed/1e6, bound.Row/1e6, bound.Step/1e3, bound.Square/1e3)
			}
		})
	}
}

// batches are those of one pass with nothing learnt.
func (x *former) batches() (all [][]embed.Sample) {
	batcher := embed.NewBatcher[embed.Sample](x.limits, embed.Shapes{})
	now := time.Unix(0, 0) // nothing gets old
	for i := 0; i < len(x.samples) || batcher.Len() > 0; {
		for i < len(x.samples) && !batcher.Full(embed.Live) {
			batcher.Add(now, embed.Live, 1, x.samples[i].Cost, x.samples[i])
			i++
		}
		batch, _ := batcher.Next(now)
		all = append(all, batch.Items)
	}
	return all
}

// corners are full batches of lengths that grow by half, and of each second length a sample by itself: much as worker doctor weighs.
func (x *former) corners() (all [][]embed.Sample) {
	last, single := 0, true
	for steps := 4.0; steps <= float64(4*x.limits.MaxCost); steps *= 1.5 {
		s := slices.MinFunc(x.samples, func(a, b embed.Sample) int { return abs(a.Cost-int(steps)) - abs(b.Cost-int(steps)) })
		if s.Cost == last {
			continue
		}
		last = s.Cost
		full := max(min(x.limits.MaxItems, x.limits.MaxCost/s.Cost), 1)
		all = append(all, slices.Repeat([]embed.Sample{s}, full))
		if single && full > 1 {
			all = append(all, []embed.Sample{s})
		}
		single = !single
	}
	return all
}

func abs(n int) int { return max(n, -n) }

func longestOf(batch []embed.Sample) (longest int) {
	for i := range batch {
		longest = max(longest, batch[i].Cost)
	}
	return longest
}

// grownBy is by how many bytes of its own this process grows while a new session runs batches.
func grownBy(b *testing.B, x *former, o ortsession.Options, batches [][]embed.Sample) float64 {
	s, err := ortsession.Open(b.Context(), model.Graph{Path: x.graph.Path}, o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	debug.FreeOSMemory()
	before := float64(resident(os.Getpid(), "status", "RssAnon"))
	for _, batch := range batches {
		tensors, err := embed.Collate(batch)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Run(b.Context(), tensors); err != nil {
			b.Fatal(err)
		}
	}
	debug.FreeOSMemory()
	return float64(resident(os.Getpid(), "status", "RssAnon")) - before
}
