package embed_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
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
	return computeWith(t, first{}, sessions, trial, texts, poisoned...)
}

// computeWith is computeOn with a head.
func computeWith(t *testing.T, head embed.Head, sessions []embed.Session, trial []embed.Sample, texts int, poisoned ...int) (all outcome) {
	t.Helper()
	e, err := embed.NewEngine(embed.EngineConfig{
		Model: "m", ModelDigest: "d", Modality: schemas.Text, Preprocessor: 2, RowReserve: 100, Trial: trial,
		Batch: embed.BatcherConfig{MaxCost: 512, MaxItems: 8, Window: 64, Linger: time.Millisecond, MaxAge: time.Second},
	}, spelled{}, sessions, []embed.Head{head})
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
			if errors.Is(err, embed.ErrBroken) && (strings.Contains(err.Error(), embedtest.ErrBroken.Error()) || strings.Contains(err.Error(), "with a value is not a number")) {
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

// trialOf is a text of one id.
func trialOf(t *testing.T, id byte) []embed.Sample {
	t.Helper()
	trial, err := spelled{}.Preprocess(t.Context(), schemas.Ref{}, []byte{id})
	if err != nil {
		t.Fatal(err)
	}
	return trial
}

// A device that is lost answers at once, so it would take nearly all batches while another one computes. No item is blamed for it.
func TestABrokenSessionBlamesNoItem(t *testing.T) {
	trial := trialOf(t, 5)
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
	trial := trialOf(t, 5)
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

// cramped is a session with memory for so many rows at once.
type cramped struct {
	embed.Session
	rows int64
	held atomic.Int64
}

var errMemory = errors.New("no memory left")

func (c *cramped) Run(ctx context.Context, inputs []embed.Tensor) (*embed.Output, error) {
	n := inputs[0].Shape[0]
	defer c.held.Add(-n)
	if c.held.Add(n) > c.rows {
		return nil, errMemory
	}
	return c.Session.Run(ctx, inputs)
}

// What an item is blamed by runs alone, and is what that session computes: on a device that has memory for one batch a sound session is not called broken.
func TestAnItemIsBlamedWhereThereIsMemoryForOneBatch(t *testing.T) {
	poisoned := []int{37, 61, 62, 130}
	for name, sessions := range map[string]func() []embed.Session{
		"one": func() []embed.Session { return []embed.Session{&cramped{Session: fake(0), rows: 8}} },
		"another with more of it": func() []embed.Session {
			return []embed.Session{&cramped{Session: fake(0), rows: 3}, &cramped{Session: fake(0), rows: 8}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const texts = 200
				got := computeOn(t, sessions(), trialOf(t, 5), texts, poisoned...)
				if got.rejected != len(poisoned) || got.rows != texts-len(poisoned) {
					t.Errorf("%+v, want %d rejected and rows of the others", got, len(poisoned))
				}
			})
		})
	}
}

// A fault that passes is none of the session.
func TestASessionIsBrokenWhenItFailsTwice(t *testing.T) {
	for _, c := range []struct {
		faults   int64 // after the poison's
		rejected int
	}{{1, 1}, {2, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var run atomic.Int64
			s := embedtest.NewSession(embedtest.Config{Poison: []float64{poisonous}, Fail: func() error {
				if n := run.Add(1); n > 1 && n <= 1+c.faults {
					return errMemory
				}
				return nil
			}})
			got := computeOn(t, []embed.Session{s}, trialOf(t, 5), 1, 0)
			if got.rejected != c.rejected || got.rejected+got.stopped != 1 {
				t.Errorf("with %d faults after it: %+v", c.faults, got)
			}
		})
	}
}

// refusing is a head that takes nothing.
type refusing struct{ first }

func (refusing) Apply(*embed.Output, []embed.Sample) ([]schemas.Payload, error) {
	return nil, errors.New("not a number")
}

// What a head refuses says nothing of the session, so it is not asked.
func TestAHeadsFaultIsTheItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := computeWith(t, refusing{}, []embed.Session{fake(2)}, nil, 1)
		if got.rejected != 1 {
			t.Errorf("%+v, want it rejected though the session computes nothing after it", got)
		}
	})
}

// numbers is a head that refuses what is no number.
type numbers struct{ first }

func (h numbers) Apply(out *embed.Output, batch []embed.Sample) ([]schemas.Payload, error) {
	ps, err := h.first.Apply(out, batch)
	for i := range ps {
		if v := ps[i].Vector[0]; v != v {
			return nil, fmt.Errorf("item %d is no number", i)
		}
	}
	return ps, err
}

// A device that gives no numbers without a fault is seen by what heads refuse: a batch of which they refuse several items is computed anew, and where that is refused, too, the trial tells whether it is the session.
func TestASessionThatGivesNoNumbersBuriesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		from, to int64
		trial    bool
		texts    int
		want     func(got outcome) bool
	}{
		"once":                        {1, 2, true, 8, func(got outcome) bool { return got == outcome{rows: 8} }},
		"once, and there is no trial": {1, 2, false, 8, func(got outcome) bool { return got == outcome{rows: 8} }},
		"always":                      {1, math.MaxInt64, true, 100, func(got outcome) bool { return got == outcome{stopped: 100, broken: 100} }},
		"always, to one item":         {1, math.MaxInt64, true, 1, func(got outcome) bool { return got == outcome{stopped: 1, broken: 1} }},
		"from a later batch on": {5, math.MaxInt64, true, 100, func(got outcome) bool {
			return got.rejected == 0 && got.rows > 0 && got.broken > 0 && got.rows+got.broken == 100
		}},
		"to an item alone, in one run":  {1, 2, true, 1, func(got outcome) bool { return got == outcome{rejected: 1} }},              // as after a run that fails
		"always, and there is no trial": {1, math.MaxInt64, false, 8, func(got outcome) bool { return got == outcome{rejected: 8} }}, // nothing is known of it
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var trial []embed.Sample
				if c.trial {
					trial = trialOf(t, 5)
				}
				runs := int64(0)
				s := embedtest.NewSession(embedtest.Config{Delay: 10 * time.Millisecond, NoNumbers: func() bool {
					runs++
					return runs >= c.from && runs < c.to
				}})
				if got := computeWith(t, numbers{}, []embed.Session{s}, trial, c.texts); !c.want(got) {
					t.Errorf("%+v of %d texts", got, c.texts)
				}
			})
		})
	}
}
