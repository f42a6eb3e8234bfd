package stream

import (
	"testing"

	"vecmill/internal/growth"
)

// A commit looks at what has moved, and not at everything that is assigned.
func TestACommitCostsWhatHasMoved(t *testing.T) {
	growth.Check(t, 20, 100_000, func(parts int) func() {
		start := map[Partition]int64{}
		for i := range parts {
			start[Partition{"t", i}] = 0
		}
		tr := NewTracker("p", start, start)
		next := int64(0)
		return func() {
			for i := range 10 {
				k, err := tr.Track(Position{Partition{"t", i}, next}, func() {})
				if err != nil {
					t.Fatal(err)
				}
				k.Settle(Computed, nil)
				r, _ := tr.Release(Partition{"t", i})
				tr.Written(r)
				tr.Durable(r)
			}
			next++
			if got := len(tr.Points()); got != 10 {
				t.Fatalf("%d points have moved, want 10", got)
			}
		}
	})
}
