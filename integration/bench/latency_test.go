package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	taskheads "vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// BenchmarkLatency offers single live items to an engine beside a backfill that takes all it gets, at shares of what the backfill alone gets done in items a second, with a target of latency (VECMILL_BENCH_TARGET_MS) and
// without one, and logs a table: p50 and p99 of the live items from the time when they were due to their rows, and all items that were done over what the backfill alone gets done. Times are the machine's: other work on it is in them.
func BenchmarkLatency(b *testing.B) {
	s := textSetup(texts(b, 400))
	dir, cache := checkpoint(b, demoModels(b), s.modality, number(b, "VECMILL_BENCH_LAYERS", 4)), b.TempDir()
	spec, err := model.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	x := &served{spec: spec, session: openBare(b, dir, cache, model.Single, s, nil), setup: s, items: corpus(b, s.modality, 1, s.items)}
	if x.graph, err = spec.Compile(b.Context(), cache, model.CompileOptions{}); err != nil {
		b.Fatal(err)
	}
	target := time.Duration(number(b, "VECMILL_BENCH_TARGET_MS", 500)) * time.Millisecond
	live, alone, loads := number(b, "VECMILL_BENCH_LIVE", 200), 10*time.Second, []float64{0.1, 0.3, 0.5, 0.7, 0.9}
	if isShort(b) {
		alone, loads = time.Second, []float64{0.9}
	}
	for b.Loop() {
		free, costs := x.offer(b, 0, embedtest.Load{Backfill: x.job, For: alone})
		capacity := float64(free.Backfill) / free.Span.Seconds()
		b.Logf("the backfill alone: %.1f items/s; learnt: %.1f ms a batch, %.0f us a step; target %v\n| offered load | p50 | p99 | all work | without a target: p50 | p99 | all work |",
			capacity, 1e3*costs.Fixed, 1e6*costs.Step, target)
		for i, load := range loads {
			l := embedtest.Load{Seed: uint64(i), Rate: load * capacity, Count: live, Live: x.job, Backfill: x.job}
			with, _ := x.offer(b, target, l)
			without, _ := x.offer(b, 0, l)
			b.Logf("| %.0f %% |%s%s", 100*load, cells(with, capacity), cells(without, capacity)) // at once, with -v: it may take long
			b.ReportMetric(with.Quantile(0.99).Seconds(), fmt.Sprintf("p99-s-at-%.0f", 100*load))
		}
	}
}

func cells(o embedtest.Offered, capacity float64) string {
	return fmt.Sprintf(" %v | %v | %.2f |", o.Quantile(0.5).Round(time.Millisecond), o.Quantile(0.99).Round(time.Millisecond), float64(o.Backfill+len(o.Took))/o.Span.Seconds()/capacity)
}

// served is what an engine needs.
type served struct {
	setup
	spec    *model.Spec
	graph   *model.Graph
	session *bare
	items   []item
}

func (x *served) job(i int) embed.Job {
	it := x.items[i%len(x.items)]
	return embed.Job{Ref: schemas.Ref{ID: it.name, Modality: x.modality}, Blob: it.body}
}

// offer runs an engine of its own under a load.
func (x *served) offer(b *testing.B, target time.Duration, l embedtest.Load) (embedtest.Offered, embed.Costs) {
	b.Helper()
	pre, err := preprocessor(x.spec)
	if err != nil {
		b.Fatal(err)
	}
	head, err := taskheads.New(x.headConfig(), x.spec, x.graph)
	if err != nil {
		b.Fatal(err)
	}
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "random", ModelDigest: "none", Modality: x.modality, Preprocessor: threads(), RowReserve: 1 << 10, FLOPs: x.spec.FLOPs,
		Batch: embed.BatcherConfig{MaxCost: x.batch.MaxCost, MaxItems: x.batch.MaxItems, Window: 512, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second, Latency: target},
	}, pre, []embed.Session{x.session.session}, []embed.Head{head})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	defer running.Wait()
	defer stop()
	out, err := l.Offer(ctx, e)
	if err != nil {
		b.Fatal(err)
	}
	return out, e.Stats().Devices[0].Costs
}
