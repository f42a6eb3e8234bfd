package embed_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/schemas"
)

const poisonous = 7 // an id that fails a run

// outcome counts what became of jobs.
type outcome struct {
	rows, rejected, stopped int
	broken                  int // of the stopped: because of a session
}

// computeOn runs texts of ids through an engine over these sessions until each has an end. The texts at these places hold a poison.
func computeOn(t *testing.T, sessions []embed.Session, trial []embed.Sample, texts int, poisoned ...int) (all outcome) {
	t.Helper()
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "m", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 100, Trial: trial,
		Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 8, Window: 64, Linger: time.Millisecond, MaxAge: time.Second},
	}, spelled{}, sessions, []embed.Head{first{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running, jobs sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	var mu sync.Mutex
	count := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		_, rejected := schemas.Rejected(err)
		switch {
		case err == nil:
			all.rows++
		case rejected:
			all.rejected++
		case errors.Is(err, embed.ErrStopped):
			all.stopped++
			if errors.Is(err, embed.ErrBroken) && strings.Contains(err.Error(), embedtest.ErrBroken.Error()) {
				all.broken++
			}
		default:
			t.Errorf("%v", err)
		}
	}
	blobs := make([][]byte, texts)
	for i := range blobs {
		blobs[i] = []byte(strings.Repeat("\x05", 4+i%8))
	}
	for _, i := range poisoned {
		blobs[i][2] = poisonous
	}
	for _, b := range blobs {
		jobs.Add(1)
		if err := e.Submit(ctx, embed.Job{Blob: b, Done: func(_ []schemas.Row, err error) {
			count(err)
			jobs.Done()
		}}); err != nil {
			count(err)
			jobs.Done()
		}
	}
	jobs.Wait()
	stop()
	running.Wait()
	return all
}

// fake is a session whose run takes a hundredth of a second, and which breaks with a run.
func fake(breaks int) embed.Session {
	return embedtest.NewSession(embedtest.Config{Delay: 10 * time.Millisecond, Poison: []float64{poisonous}, Breaks: breaks})
}

// A device that is lost answers at once, so it would take nearly all batches while another one computes. No item is blamed for it.
func TestABrokenSessionBlamesNoItem(t *testing.T) {
	trial, err := spelled{}.Preprocess(t.Context(), schemas.Ref{}, []byte{5})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sessions func() []embed.Session
		trial    []embed.Sample
	}{
		"the only one, later":              {func() []embed.Session { return []embed.Session{fake(4)} }, nil},
		"one of two, later":                {func() []embed.Session { return []embed.Session{fake(0), fake(4)} }, nil},
		"one of two, from the start":       {func() []embed.Session { return []embed.Session{fake(0), fake(1)} }, trial},
		"the only one, from the start":     {func() []embed.Session { return []embed.Session{fake(1)} }, trial},
		"both, one after the other":        {func() []embed.Session { return []embed.Session{fake(3), fake(4)} }, trial},
		"one that two run batches on, too": {func() []embed.Session { s := fake(5); return []embed.Session{s, s} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const texts = 200
				got := computeOn(t, c.sessions(), c.trial, texts)
				if got.rejected > 0 || got.stopped == 0 || got.broken != got.stopped || got.rows+got.stopped != texts {
					t.Errorf("%+v of %d texts, want none rejected and the rest stopped for a broken session", got, texts)
				}
			})
		})
	}
}

// A poisonous item is blamed as before, also if it is the very first.
func TestASoundSessionBlamesThePoison(t *testing.T) {
	trial, err := spelled{}.Preprocess(t.Context(), schemas.Ref{}, []byte{5})
	if err != nil {
		t.Fatal(err)
	}
	for name, poisoned := range map[string][]int{"one": {37}, "the first": {0}, "many": {0, 1, 2, 3, 4, 5, 6, 7, 60, 99}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const texts = 100
				got := computeOn(t, []embed.Session{fake(0), fake(0)}, trial, texts, poisoned...)
				if got.rejected != len(poisoned) || got.rows != texts-len(poisoned) {
					t.Errorf("%+v, want %d rejected and rows of the others", got, len(poisoned))
				}
			})
		})
	}
}
