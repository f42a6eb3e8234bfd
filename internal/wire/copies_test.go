package wire

import (
	"testing"
	"time"

	"vecmill/internal/config"
)

// TestAPlanSaysHowManyCopiesItsRunGives plans texts of four contents, then copies of them that outputs have, then copies of new content, and the same without looking into outputs, or at copies: each run reuses as many as its plan says.
func TestAPlanSaysHowManyCopiesItsRunGives(t *testing.T) {
	l := newLake(t, 30)
	p := &l.conf.Pipelines[0]
	l.copies(t, 40)
	l.put(t, "copies/new too.txt", "b b")
	for _, c := range []struct {
		name            string
		kept            int
		looks, again    bool
		source          string
		outputs, within int64
	}{
		{"off", 0, false, true, "s3://box/texts/", 0, 0},
		{"texts", 1 << 20, false, true, "s3://box/texts/", 0, 26},
		{"copies", 1 << 20, false, true, "s3://box/copies/", 0, 37},
		{"looked", 1 << 20, true, true, "s3://box/copies/", 42, 0},
		{"all", 1 << 20, true, true, "s3://box/", 72, 0},
	} {
		p.ReuseResults, p.ReuseOutputs = config.Bytes(c.kept), c.looks
		planned := l.plan(t, c.name, PlanOptions{Source: c.source, Again: c.again, Estimate: EstimateOptions{For: time.Millisecond, Machines: 1}})
		s := l.run(t, c.name)
		if c.kept == 0 {
			if planned.Copied != nil || s.Embed.Reused != 0 || planned.Expected[0].Copies.High != 0 {
				t.Errorf("%s: %+v, and %d are reused", c.name, planned.Copied, s.Embed.Reused)
			}
			continue
		}
		got, x := planned.Copied, &planned.Expected[0]
		if got.Outputs != c.outputs || got.Within != c.within || got.Untold != 0 || x.Copies.Low != float64(got.All()) || x.Copies.High != x.Copies.Low {
			t.Errorf("%s: %+v, want %+v; expected %+v", c.name, got, c, x.Copies)
		}
		if x.Wall.Value <= x.Startup || x.CPU.Value <= x.StartupCPU { // where all are copies that is theirs
			t.Errorf("%s: copies take nothing: %+v of CPU, %+v", c.name, x.CPU, x.Wall)
		}
		if s.Embed.Reused != got.All() || s.Embed.Samples != planned.Items-got.All() {
			t.Errorf("%s: %d are reused and %d computed of %d, planned %+v", c.name, s.Embed.Reused, s.Embed.Samples, planned.Items, got)
		}
	}
}
