package embed_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

// sizes is a session that notes how many items each batch has.
type sizes struct {
	*embedtest.Session
	all []int
}

func (s *sizes) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	s.all = append(s.all, int(inputs[0].Shape[0]))
	return s.Session.Run(ctx, inputs)
}

// TestTheFirstBatchIsMadeByKeptCosts has 16 items wait for a session that is idle. With a target of latency they are one batch if what they take is known, and the first of them is
// one alone if not.
func TestTheFirstBatchIsMadeByKeptCosts(t *testing.T) {
	for name, c := range map[string]struct {
		kept  embed.Costs
		first int
	}{
		"nothing is kept":        {embed.Costs{}, 1},
		"what the session takes": {embed.Costs{Fixed: fixedTime.Seconds(), Step: stepTime.Seconds()}, 16},
		"a hundred times that":   {embed.Costs{Fixed: fixedTime.Seconds(), Step: 100 * stepTime.Seconds()}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &sizes{Session: embedtest.NewSession(embedtest.Config{Delay: fixedTime, StepTime: stepTime})}
			e, err := embed.NewEngine(embed.EngineConfig{
				Model: "m", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 100, Costs: c.kept,
				Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 256, Linger: 5 * time.Millisecond, MaxAge: 2 * time.Second, Latency: target},
			}, spelled{}, []embed.Session{s}, []embed.Head{first{}})
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Stats().Devices[0].Costs; got != c.kept {
				t.Errorf("%s: before the first batch %+v", name, got)
			}
			ctx, stop := context.WithCancel(t.Context())
			var running, jobs sync.WaitGroup
			running.Go(func() { e.Run(ctx) })
			for range 16 {
				jobs.Add(1)
				err := e.Submit(ctx, embed.Job{Blob: make([]byte, 10), Done: func(_ []schemas.Row, err error) {
					if err != nil {
						t.Error(err)
					}
					jobs.Done()
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			jobs.Wait()
			stop()
			running.Wait()
			if s.all[0] != c.first {
				t.Errorf("%s: batches of %v items, want %d in the first", name, s.all, c.first)
			}
		})
	}
}
