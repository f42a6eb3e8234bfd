package embed_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

// spelled is a preprocessor whose objects are so many steps long as they have bytes.
type spelled struct{}

func (spelled) Footprint(_ schemas.Ref, _ []byte, size int64) (int64, error) { return 100 * size, nil }
func (spelled) Digest() string                                               { return "spelled/1" }
func (spelled) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	ids, mask := make([]int64, len(blob)), make([]int64, len(blob))
	for i := range ids {
		ids[i], mask[i] = int64(blob[i]), 1
	}
	return []embed.Sample{{Cost: len(blob), Inputs: []embed.Input{
		{Name: "input_ids", Shape: []int{len(blob)}, I64: ids}, {Name: "attention_mask", Shape: []int{len(blob)}, I64: mask},
	}}}, nil
}

// first is a head that keeps the first number.
type first struct{}

func (first) Name() string       { return "first" }
func (first) Task() schemas.Task { return schemas.TaskEmbedding }
func (first) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	ps := make([]schemas.Payload, len(batch))
	t := out.Tensors[0]
	for i := range ps {
		ps[i].Vector = []float32{t.F32[i*len(t.F32)/len(batch)]}
	}
	return ps, nil
}

// The session of these tests: a full batch of 512 steps takes 61 ms.
const (
	fixedTime = 10 * time.Millisecond
	stepTime  = 100 * time.Microsecond
	target    = 120 * time.Millisecond
)

func jobs(seed uint64) func(int) embed.Job {
	r := rand.New(rand.NewPCG(seed, 9))
	return func(int) embed.Job {
		return embed.Job{Blob: make([]byte, min(max(int(35*math.Exp(0.8*r.NormFloat64())), 3), 512))}
	}
}

// offer runs an engine of one session under load in a bubble.
func offer(t *testing.T, latency time.Duration, l embedtest.Load) embedtest.Offered {
	t.Helper()
	out, _ := offerOf(t, spelled{}, l, latency, embed.Shapes{}, nil, embedtest.NewSession(embedtest.Config{Delay: fixedTime, StepTime: stepTime}))
	return out
}

// TestLiveItemsAreInTimeBesideABackfill offers live items at shares of what the session does when all it does is the backfill, beside a backfill that takes all it gets. With a target of latency the p99 of the live items is within it at
// small loads, and grows as it must with larger ones: batches of few items take more of the session than a backfill's. Without one, where batches are full, it is a good deal more. The backfill goes on all the same.
func TestLiveItemsAreInTimeBesideABackfill(t *testing.T) {
	for _, c := range []struct{ load, within float64 }{{0.1, 1}, {0.3, 1.3}, {0.5, 2}, {0.7, 6}, {0.9, 16}} {
		synctest.Test(t, func(t *testing.T) {
			alone := offer(t, 0, embedtest.Load{Backfill: jobs(1), For: 20 * time.Second})
			capacity := float64(alone.Backfill) / alone.Span.Seconds()
			l := embedtest.Load{Seed: 7, Rate: c.load * capacity, Count: 1500, Live: jobs(2), Backfill: jobs(1)}
			with := offer(t, target, l)
			without := offer(t, 0, l)
			share := float64(with.Backfill+len(with.Took)) / with.Span.Seconds() / capacity
			t.Logf("load %.1f of %.0f items/s: p50 %v, p99 %v, all work %.2f of the capacity; without a target p50 %v, p99 %v", c.load, capacity,
				with.Quantile(0.5), with.Quantile(0.99), share, without.Quantile(0.5), without.Quantile(0.99))
			if p99, most := with.Quantile(0.99), time.Duration(c.within*float64(target)); p99 > most {
				t.Errorf("load %.1f: p99 is %v, want at most %v", c.load, p99, most)
			}
			if with, without := with.Quantile(0.99), without.Quantile(0.99); float64(with) > 0.85*float64(without) {
				t.Errorf("load %.1f: p99 is %v, and without a target %v: the target does nothing", c.load, with, without)
			}
			if share < 0.5 {
				t.Errorf("load %.1f: all work is %.2f of what the session can do", c.load, share)
			}
		})
	}
}

// TestBackfillDoesNotStarve offers more live work than the session can do: every 16th batch is the backfill's.
func TestBackfillDoesNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alone := offer(t, 0, embedtest.Load{Backfill: jobs(1), For: 10 * time.Second})
		capacity := float64(alone.Backfill) / alone.Span.Seconds()
		out := offer(t, target, embedtest.Load{Seed: 8, Rate: 2 * capacity, Count: 3000, Live: jobs(2), Backfill: jobs(1)})
		if share := float64(out.Backfill) / out.Span.Seconds() / capacity; share < 0.01 || share > 0.2 {
			t.Errorf("beside live items at twice the capacity the backfill gets %.3f of it", share)
		} else {
			t.Logf("the backfill gets %.3f", share)
		}
	})
}
