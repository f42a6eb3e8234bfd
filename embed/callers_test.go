package embed

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sharedAdder is an adder that knows how many runs were at once.
type sharedAdder struct {
	adder
	now, most atomic.Int64
}

func (c *sharedAdder) Run(ctx context.Context, in []Tensor) (*Output, error) {
	if n := c.now.Add(1); n > c.most.Load() {
		c.most.Store(n) // of several that are as many one is enough
	}
	defer c.now.Add(-1)
	return c.adder.Run(ctx, in)
}

func TestASessionThatIsThereSeveralTimesRunsAsManyBatchesAtOnce(t *testing.T) {
	for _, callers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig()
			cfg.Batch.MaxItems = 1
			s := &sharedAdder{adder: adder{delay: time.Second, poison: 5}}
			sessions := make([]Session, callers)
			for i := range sessions {
				sessions[i] = s
			}
			e, err := NewEngine(cfg, words{}, sessions, []Head{sumHead{1}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, errs, stats := drive(t, e, []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"})
			if s.most.Load() != int64(callers) || stats.Sessions != callers || stats.Batches != 9 || time.Since(began) > 13*time.Second/time.Duration(callers) {
				t.Errorf("%d runs at once of %d executors, %d batches in %v, want %d", s.most.Load(), stats.Sessions, stats.Batches, time.Since(began), callers)
			}
			for i, err := range errs {
				if (err != nil) != (i == 4) {
					t.Errorf("item %d: %v", i, err)
				}
			}
		})
	}
}
