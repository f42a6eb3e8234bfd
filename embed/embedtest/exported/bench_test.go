package exported_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

// contest is one class: our graph of its checkpoint and an export of it, one thread each.
type contest struct {
	ours, theirs           *ortsession.Session
	oursInputs, theirInput []embed.Tensor
}

// BenchmarkGraphs runs our graph and the exported one of the same weights in turns, on the same input, and reports how much faster ours
// is, above 1 where ours wins: x-speed, their CPU time over ours, of the fastest quarter of the turns (what else runs on the machine only
// adds), and x-lowest, x-median, x-highest of single turns. Who begins changes with every turn. VECMILL_BENCH_GRAPHS is a directory that
// tools/exports/export.py --base made; `make bench-graphs` does both.
func BenchmarkGraphs(b *testing.B) {
	root := os.Getenv("VECMILL_BENCH_GRAPHS")
	if root == "" {
		b.Skip("VECMILL_BENCH_GRAPHS names no directory of exports: make bench-graphs")
	}
	exports, err := filepath.Glob(filepath.Join(root, "*", "*", "model.onnx"))
	if err != nil || len(exports) == 0 {
		b.Fatalf("no exports in %s: %v", root, err)
	}
	for _, path := range exports {
		dir := filepath.Dir(path)
		b.Run(strings.TrimPrefix(dir, root+string(filepath.Separator)), func(b *testing.B) {
			c := openContest(b, dir)
			var ours, theirs []time.Duration
			var ratios []float64
			c.turn(b, true) // the first runs of a session are slower
			for b.Loop() {
				o, t := c.turn(b, len(ratios)%2 == 0)
				ours, theirs, ratios = append(ours, o), append(theirs, t), append(ratios, float64(t)/float64(o))
			}
			o, t := fastest(ours), fastest(theirs)
			slices.Sort(ratios)
			b.ReportMetric(float64(t)/float64(o), "x-speed")
			b.ReportMetric(ratios[0], "x-lowest")
			b.ReportMetric(ratios[len(ratios)/2], "x-median")
			b.ReportMetric(ratios[len(ratios)-1], "x-highest")
			b.ReportMetric(float64(o)/1e6, "ms-ours")
		})
	}
}

// fastest is the mean of the fastest quarter.
func fastest(all []time.Duration) time.Duration {
	slices.Sort(all)
	quarter := all[:(len(all)+3)/4]
	var sum time.Duration
	for _, d := range quarter {
		sum += d
	}
	return sum / time.Duration(len(quarter))
}

// turn runs both once and gives their CPU time.
func (c *contest) turn(b *testing.B, first bool) (ours, theirs time.Duration) {
	b.Helper()
	run := func(s *ortsession.Session, in []embed.Tensor) time.Duration {
		before := cpuTime(b)
		if _, err := s.Run(b.Context(), in); err != nil {
			b.Fatal(err)
		}
		return cpuTime(b) - before
	}
	if first {
		ours = run(c.ours, c.oursInputs)
		return ours, run(c.theirs, c.theirInput)
	}
	theirs = run(c.theirs, c.theirInput)
	return run(c.ours, c.oursInputs), theirs
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func openContest(b *testing.B, dir string) *contest {
	b.Helper()
	inputs, want := readCase(b, dir)
	c := &contest{theirs: open(b, dir), ours: open(b, filepath.Join(filepath.Dir(dir), "checkpoint")), theirInput: inputs}
	for _, t := range inputs {
		if t.Name == "attention_mask" && c.takes("lengths") {
			continue
		}
		c.oursInputs = append(c.oursInputs, t)
		if t.Name == "input_values" {
			c.oursInputs = append(c.oursInputs, lengths(t))
		}
	}
	out, err := c.ours.Run(b.Context(), c.oursInputs)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, ok := out.Tensor(name); ok {
			compare(b, name, got, want[name], 1e-3)
		}
	}
	return c
}

func (c *contest) takes(input string) bool {
	return slices.ContainsFunc(c.ours.Inputs(), func(p model.Port) bool { return p.Name == input })
}
