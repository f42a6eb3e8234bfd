package embed_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

// ran is a run of a session: the shape of its first input, of choices with as many rows as there are of all items, and what it took.
type ran struct {
	rows, length int
	took         time.Duration
}

// recorder is a session that keeps what it ran.
type recorder struct {
	embed.Session
	mu   sync.Mutex
	runs []ran
}

func (r *recorder) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	began := time.Now()
	out, err := r.Session.Run(ctx, inputs)
	r.mu.Lock()
	defer r.mu.Unlock()
	shape := inputs[0].Shape
	rows, length := shape[0], shape[len(shape)-1]
	if len(shape) == 3 {
		rows *= shape[1]
	}
	r.runs = append(r.runs, ran{int(rows), int(length), time.Since(began)})
	return out, err
}

// truth is what a fake session takes for a batch.
func truth(times, rows, length int) time.Duration {
	return time.Duration(times) * (fixedTime + time.Duration(rows*length)*stepTime)
}

// device is a session that is so many times as slow as the one of the tests of latency.
func device(times int) *recorder {
	return &recorder{Session: embedtest.NewSession(embedtest.Config{Delay: time.Duration(times) * fixedTime, StepTime: time.Duration(times) * stepTime})}
}

// offerTo runs an engine of texts under load, in a bubble.
func offerTo(t *testing.T, l embedtest.Load, latency time.Duration, shapes embed.Shapes, names []string, sessions ...embed.Session) (embedtest.Offered, embed.Stats) {
	t.Helper()
	return offerOf(t, spelled{}, l, latency, shapes, names, sessions...)
}

// choosing is a preprocessor of choices: the first byte says how many, and each is as long as the object.
type choosing struct{ spelled }

func (choosing) Preprocess(_ context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	rows := int(blob[0])
	shape, ids, mask := []int{rows, len(blob)}, make([]int64, rows*len(blob)), make([]int64, rows*len(blob))
	for i := range mask {
		mask[i] = 1
	}
	return []embed.Sample{{Cost: len(ids), Inputs: []embed.Input{{Name: "input_ids", Shape: shape, I64: ids}, {Name: "attention_mask", Shape: shape, I64: mask}}}}, nil
}

// choices are objects for it: of two and of four choices of up to 96 tokens, and of sixteen of 16 tokens.
func choices(seed uint64) func(int) embed.Job {
	r := rand.New(rand.NewPCG(seed, 9))
	return func(int) embed.Job {
		rows, most := []int{2, 4, 16}[r.IntN(3)], 96
		if rows == 16 {
			most = 16
		}
		blob := make([]byte, most/2+r.IntN(most/2+1))
		blob[0] = byte(rows)
		return embed.Job{Blob: blob}
	}
}

// offerOf is offerTo with a preprocessor.
func offerOf(t *testing.T, pre embed.Preprocessor, l embedtest.Load, latency time.Duration, shapes embed.Shapes, names []string, sessions ...embed.Session) (embedtest.Offered, embed.Stats) {
	t.Helper()
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "m", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 100, Shapes: shapes, Devices: names,
		Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 256, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second, Latency: latency},
	}, pre, sessions, []embed.Head{first{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	defer running.Wait()
	defer stop()
	out, err := l.Offer(ctx, e)
	if err != nil {
		t.Fatal(err)
	}
	return out, e.Stats()
}

// textShapes are those of a GPU, of texts.
func textShapes() embed.Shapes { return embed.NewShapes(16, 512, 8, 64) }

// TestFixedShapesRunWithinTheBudget runs texts as a GPU's few shapes, and choices, as they are, too: none of them is larger than max_cost allows, which is what bounds a session's memory, what is counted is what ran, and the budget is used.
func TestFixedShapesRunWithinTheBudget(t *testing.T) {
	const maxCost = 512 // of offerTo
	for name, c := range map[string]struct {
		pre    embed.Preprocessor
		job    func(int) embed.Job
		shapes embed.Shapes
		mean   float64 // of the budget, at least
	}{
		"texts of 15 tokens":  {spelled{}, func(int) embed.Job { return embed.Job{Blob: make([]byte, 15)} }, textShapes(), 0.6}, // 34 would run as 64 of 16, twice the budget
		"texts":               {spelled{}, jobs(6), textShapes(), 0.6},
		"choices":             {choosing{}, choices(6), textShapes(), 0.5},
		"choices as they are": {choosing{}, choices(6), embed.Shapes{}, 0.5}, // two of 96 beside sixteen of 16 would run as two times sixteen of 96, six times the budget
	} {
		synctest.Test(t, func(t *testing.T) {
			session := device(1)
			_, stats := offerOf(t, c.pre, embedtest.Load{Backfill: c.job, For: 20 * time.Second}, 0, c.shapes, nil, session)
			steps, kinds := 0, map[[2]int]bool{}
			for _, r := range session.runs {
				steps += r.rows * r.length
				kinds[[2]int{r.rows, r.length}] = true
				if r.rows*r.length > maxCost {
					t.Fatalf("%s: %d rows of %d ran, the budget is %d", name, r.rows, r.length, maxCost)
				}
			}
			mean := float64(steps) / float64(len(session.runs))
			t.Logf("%s: %d runs of %d shapes, %.0f steps in the mean, %.3f times the useful ones", name, len(session.runs), len(kinds), mean, stats.PaddingRatio())
			if stats.Padded != int64(steps) || len(session.runs) < 100 {
				t.Errorf("%s: %d steps are counted, %d ran", name, stats.Padded, steps)
			}
			if mean < c.mean*maxCost {
				t.Errorf("%s: batches are of %.0f steps in the mean, the budget is %d", name, mean, maxCost)
			}
		})
	}
}
