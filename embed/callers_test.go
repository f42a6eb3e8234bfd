package embed

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
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

// slowByLength takes a time for each step.
type slowByLength struct {
	adder
	step time.Duration
}

func (s *slowByLength) Run(ctx context.Context, in []Tensor) (*Output, error) {
	time.Sleep(time.Duration(in[0].Shape[0]*in[0].Shape[1]) * s.step)
	return s.adder.Run(ctx, in)
}

// TestAnItemWaitsForNoRunWhileAnExecutorIsIdle has a long item and short ones behind it, one after the other: an executor without a batch takes each, and none waits collated behind the long one.
func TestAnItemWaitsForNoRunWhileAnExecutorIsIdle(t *testing.T) {
	for _, callers := range []int{2, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := &slowByLength{step: 100 * time.Millisecond}
			e, err := NewEngine(testConfig(), words{}, slices.Repeat([]Session{s}, callers), []Head{sumHead{1}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var ran, jobs sync.WaitGroup
			ran.Go(func() { e.Run(ctx) })
			began := time.Now()
			submit := func(at time.Duration, steps string, most time.Duration) {
				time.Sleep(time.Until(began.Add(at)))
				jobs.Add(1)
				if err := e.Submit(ctx, Job{Blob: []byte(steps), Done: func(_ []schemas.Row, err error) {
					if took := time.Since(began) - at; err != nil || took > most {
						t.Errorf("%d callers: %s steps that came at %v took %v, %v; want %v at most", callers, steps, at, took, err, most)
					}
					jobs.Done()
				}}); err != nil {
					t.Error(err)
				}
			}
			const linger = 100 * time.Millisecond
			submit(time.Second, "100", 10*time.Second+linger)
			for i := range 4 {
				submit(time.Duration(2+2*i)*time.Second, "10", time.Second+linger)
			}
			jobs.Wait()
			stop()
			ran.Wait()
		})
	}
}
