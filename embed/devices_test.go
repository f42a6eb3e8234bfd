package embed_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

// TestEachDeviceHasItsCosts has two devices, one four times as slow: what is learnt of each predicts its batches, and with a target of latency no batch of several items takes more than half of it on either. Costs that both
// had in common would be those of neither, and the slow one's batches too long.
func TestEachDeviceHasItsCosts(t *testing.T) {
	for name, shapes := range map[string]embed.Shapes{"any shape": {}, "fixed shapes": textShapes()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const target = 240 * time.Millisecond // half of which holds a full batch on the fast one, and 200 steps on the slow one
				fast, slow := device(1), device(4)
				load := embedtest.Load{Seed: 3, Rate: 20, Count: 1000, Live: jobs(4), Backfill: jobs(5)}
				out, stats := offerTo(t, load, target, shapes, []string{"0", "1"}, fast, slow)
				if p99 := out.Quantile(0.99); p99 > target {
					t.Errorf("p99 is %v, want at most %v", p99, target)
				}
				if len(stats.Devices) != 2 {
					t.Fatalf("%+v", stats.Devices)
				}
				for i, times := range []int{1, 4} {
					d := stats.Devices[i]
					runs := []*recorder{fast, slow}[i].runs
					if d.Device != []string{"0", "1"}[i] || d.Miss > 0.02 || len(runs) < 200 {
						t.Errorf("device %s: predictions are off by %.3f after %d runs", d.Device, d.Miss, len(runs))
					}
					for _, at := range [][2]int{{1, 16}, {8, 24}, {4, 48}, {1, 256}} {
						if p, w := d.Costs.Batch(at[0], at[1]), truth(times, at[0], at[1]).Seconds(); math.Abs(p/w-1) > 0.05 {
							t.Errorf("device %s: %v take %.4f s, %.4f s are predicted", d.Device, at, w, p)
						}
					}
					var several, longest time.Duration
					for _, r := range runs[50:] {
						if r.rows > 1 {
							several, longest = several+1, max(longest, r.took)
						}
					}
					t.Logf("device %s: %d runs, %d of several items, the longest of these %v; p99 %v", d.Device, len(runs), several, longest, out.Quantile(0.99))
					if several < 100 || longest > target/2*102/100 {
						t.Errorf("device %s: of %d batches of several items the longest takes %v, the target is %v", d.Device, several, longest, target)
					}
				}
			})
		})
	}
}

// TestSessionsOfOneDeviceLearnTogether has two sessions beside each other on a device, and one on another.
func TestSessionsOfOneDeviceLearnTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, stats := offerTo(t, embedtest.Load{Backfill: jobs(5), For: 5 * time.Second}, 0, embed.Shapes{}, []string{"1", "0", "1"}, device(1), device(4), device(1))
		for i, want := range []struct {
			name  string
			times int
		}{{"1", 1}, {"0", 4}} {
			d := stats.Devices[i]
			if p, w := d.Costs.Batch(8, 64), truth(want.times, 8, 64).Seconds(); len(stats.Devices) != 2 || d.Device != want.name || math.Abs(p/w-1) > 0.05 {
				t.Errorf("%+v for %.4f s on device %s", stats.Devices, w, want.name)
			}
		}
	})
	_, err := embed.NewEngine(embed.EngineConfig{Preprocessor: 1, Batch: embed.UsualBatch(schemas.Text, 0), Devices: []string{"0"}}, spelled{}, []embed.Session{device(1), device(1)}, []embed.Head{first{}})
	if err == nil {
		t.Error("devices of one session are taken for those of two")
	}
}
