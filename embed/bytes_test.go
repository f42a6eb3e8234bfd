package embed

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestABoundOfBytesCutsBatches forms batches of texts of all lengths: none of several items needs more than the bound, and some come near it. An item that needs more alone goes alone.
func TestABoundOfBytesCutsBatches(t *testing.T) {
	bytes := Costs{Fixed: 1 << 20, Step: 40 << 10, Square: 128}
	for _, c := range []struct {
		name   string
		cfg    BatcherConfig
		shapes Shapes
		cuts   bool
	}{
		{"a bound", BatcherConfig{MaxBytes: 6 << 20, Bytes: bytes}, Shapes{}, true},
		{"a bound, with fixed shapes", BatcherConfig{MaxBytes: 6 << 20, Bytes: bytes}, NewShapes(16, 512, 8, 64), true},
		{"a bound below a batch's fixed part", BatcherConfig{MaxBytes: 1 << 10, Bytes: bytes}, Shapes{}, true},
		{"nothing is known of bytes", BatcherConfig{MaxBytes: 6 << 20}, Shapes{}, false},
		{"no bound", BatcherConfig{Bytes: bytes}, Shapes{}, false},
	} {
		c.cfg.MaxCost, c.cfg.MaxItems, c.cfg.Window, c.cfg.MaxAge = 512, 64, 256, time.Hour
		if err := c.cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		b := NewBatcher[int](c.cfg, c.shapes)
		now := time.Unix(0, 0)
		most, items := 0.0, 0
		for _, n := range texts(rand.New(rand.NewPCG(5, 3)), 2000) {
			b.Add(now, Live, 1, n, n)
			for b.Full(Live) {
				batch, _ := b.Next(now)
				rows, length := c.shapes.Round(len(batch.Items), batch.Items[len(batch.Items)-1])
				if items = max(items, len(batch.Items)); len(batch.Items) > 1 {
					most = max(most, bytes.Batch(rows, length))
				}
			}
		}
		limit := float64(6 << 20)
		switch {
		case !c.cuts && most <= 2*limit:
			t.Errorf("%s: no batch needs more than %.0f: the bound would cut nothing", c.name, most)
		case c.cfg.MaxBytes < 1<<20 && c.cuts && items > 1:
			t.Errorf("%s: a batch of %d items", c.name, items)
		case c.cfg.MaxBytes >= 1<<20 && c.cuts && (most > limit || most < 0.8*limit):
			t.Errorf("%s: batches need up to %.0f, the bound is %.0f", c.name, most, limit)
		}
	}
	if err := (BatcherConfig{MaxCost: 1, MaxItems: 1, Window: 1, MaxBytes: -1}).Validate(); err == nil {
		t.Error("a negative bound is taken")
	}
}
