package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
	embedheads "vecmill/embed/heads"
	"vecmill/embed/ortsession"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

const (
	poisonItems = 10_000
	poisonTurns = 9    // clean, poisoned, clean, so often: what else the machine does falls on both
	manyPoisons = 10   // in a poisoned run: ten times the signal over the same noise, and a tenth of it is one's
	poisonCost  = 0.02 // share of item runs that one poison in poisonItems may add
)

// BenchmarkPoison measures what one poison item in 10,000 costs: an engine with a real session (the bundled text model), whose Run fails
// for every batch that holds a poison, after the batch has been computed, so that each step of the bisection is paid in full. It reports
// the median of the paired ratios of CPU time, for one poison: a tenth of what ten of them cost, each in a batch of its own. It fails by
// the number of items that went through the session more than once, which no slow machine changes much.
func BenchmarkPoison(b *testing.B) {
	e := openPoisonable(b)
	for b.Loop() {
		var costs []float64
		for turn := range number(b, "VECMILL_BENCH_ROUNDS", poisonTurns) {
			r := rand.New(rand.NewPCG(1, uint64(turn)))
			before := e.run(b, 0, r)
			poisoned := e.run(b, manyPoisons, r)
			clean := (before.cpu + e.run(b, 0, r).cpu).Seconds() / 2
			costs = append(costs, (poisoned.cpu.Seconds()/clean-1)/manyPoisons)
			more := float64(poisoned.items-poisonItems) / poisonItems / manyPoisons
			b.Logf("turn %d: CPU %.2f s clean, %.2f s with %d poisons: %+.2f %% each; each adds %.1f session runs, %.2f %% item runs", turn,
				clean, poisoned.cpu.Seconds(), manyPoisons, 100*costs[turn], float64(poisoned.runs-poisoned.batches)/manyPoisons, 100*more)
			if before.failed != 0 || poisoned.failed != manyPoisons {
				b.Fatalf("%d and %d items failed, want 0 and %d", before.failed, poisoned.failed, manyPoisons)
			}
			if more > poisonCost {
				b.Errorf("one poison in %d adds %.2f %% of item runs, want at most %.0f %%", poisonItems, 100*more, 100*poisonCost)
			}
		}
		slices.Sort(costs)
		b.ReportMetric(100*costs[len(costs)/2], "%cost")
	}
}

// poisonable is an engine's parts and its items.
type poisonable struct {
	session *sickSession
	pre     embed.Preprocessor
	head    embed.Head
	texts   []string
}

func openPoisonable(b *testing.B) *poisonable {
	b.Helper()
	dir, err := filepath.Abs("../../internal/demo/models/text-intent")
	if err != nil {
		b.Fatal(err)
	}
	spec, err := model.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	graph, err := spec.Compile(b.Context(), b.TempDir(), model.CompileOptions{})
	if err != nil {
		b.Fatal(err)
	}
	session, err := ortsession.Open(b.Context(), *graph, ortsession.Options{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := session.Close(); err != nil {
			b.Error(err)
		}
	})
	p := &poisonable{session: &sickSession{Session: session}}
	if p.pre, err = text.New(spec, text.Options{}); err != nil {
		b.Fatal(err)
	}
	if p.head, err = embedheads.New(embedheads.Config{Name: "labels", Task: schemas.TaskLabels}, spec, graph); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range poisonItems { // of log-normal lengths, as texts are
		p.texts = append(p.texts, fmt.Sprintf("item %d plays %s", i, strings.Repeat("music ", min(int(8*r.ExpFloat64())+1, 80))))
	}
	return p
}

// sickSession fails for batches with a poison item.
type sickSession struct {
	embed.Session
	poison [][]int64 // the tokens of each

	mu          sync.Mutex
	runs, items int
}

var errPoison = errors.New("the batch holds the poison")

// Run implements embed.Session.
func (s *sickSession) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	out, err := s.Session.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.runs++
	s.items += int(inputs[0].Shape[0])
	s.mu.Unlock()
	for _, in := range inputs {
		if in.Name != tokensInput {
			continue
		}
		for row := range slices.Chunk(in.I64, int(in.Shape[1])) {
			if slices.ContainsFunc(s.poison, func(p []int64) bool { return len(row) >= len(p) && slices.Equal(row[:len(p)], p) }) {
				return nil, errPoison
			}
		}
	}
	return out, nil
}

const tokensInput = "input_ids"

// poisonRun is what one run over all items took.
type poisonRun struct {
	cpu                  time.Duration
	failed               int
	runs, items, batches int // session runs, the items in them, and the batches that the engine made
}

// run computes all texts through an engine of its own; so many of them, drawn from r, are poison.
func (p *poisonable) run(b *testing.B, poisons int, r *rand.Rand) poisonRun {
	b.Helper()
	p.session.poison, p.session.runs, p.session.items = nil, 0, 0
	for _, i := range r.Perm(len(p.texts))[:poisons] {
		p.session.poison = append(p.session.poison, p.tokens(b, p.texts[i]))
	}
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "poisoned", Modality: schemas.Text, Preprocessor: 1,
		Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 512, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second}, // the worker's
	}, p.pre, []embed.Session{p.session}, []embed.Head{p.head})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running, open sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	var mu sync.Mutex
	var failures []error
	before := cpuTime(b)
	for _, t := range p.texts {
		open.Add(1)
		err := e.Submit(ctx, embed.Job{Blob: []byte(t), Done: func(_ []schemas.Row, err error) {
			if err != nil {
				mu.Lock()
				failures = append(failures, err)
				mu.Unlock()
			}
			open.Done()
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
	open.Wait()
	took := cpuTime(b) - before
	stop()
	running.Wait()
	for _, err := range failures {
		if !errors.Is(err, errPoison) {
			b.Fatal(err)
		}
	}
	return poisonRun{cpu: took, failed: len(failures), runs: p.session.runs, items: p.session.items, batches: int(e.Stats().Batches)}
}

func (p *poisonable) tokens(b *testing.B, s string) []int64 {
	b.Helper()
	samples, err := p.pre.Preprocess(b.Context(), schemas.Ref{}, []byte(s))
	if err != nil {
		b.Fatal(err)
	}
	for _, in := range samples[0].Inputs {
		if in.Name == tokensInput {
			return in.I64
		}
	}
	b.Fatalf("the model has no input %s", tokensInput)
	return nil
}
