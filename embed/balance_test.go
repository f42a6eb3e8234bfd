package embed

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// TestTheBalanceFollowsTheStages gives looks as busy milliseconds of decoding and of one session, and says how many may decode after each.
func TestTheBalanceFollowsTheStages(t *testing.T) {
	for _, c := range []struct {
		name     string
		sessions int
		looks    [][2]int
		want     []int
	}{
		{"text: decoding is nothing, and one does after five looks", 1, [][2]int{{1, 1000}, {1, 1000}, {1, 1000}, {1, 1000}, {1, 1000}, {1, 1000}}, []int{8, 8, 8, 8, 1, 1}},
		{"pictures that take as long to decode as to compute need two", 1, [][2]int{{1000, 1000}, {1000, 1000}, {1000, 1000}, {1000, 1000}, {1000, 1000}}, []int{8, 8, 8, 8, 2}},
		{"one look that asks for more decides for them", 1, [][2]int{{100, 1000}, {100, 1000}, {3000, 1000}, {100, 1000}, {100, 1000}, {100, 1000}}, []int{8, 8, 8, 8, 4, 4}},
		{"more are let in at once, and no more than there are", 1, [][2]int{{1, 1000}, {1, 1000}, {1, 1000}, {1, 1000}, {1, 1000}, {2000, 1000}, {90000, 1000}}, []int{8, 8, 8, 8, 1, 3, 8}},
		{"four sessions take four times as much", 4, [][2]int{{1000, 4000}, {1000, 4000}, {1000, 4000}, {1000, 4000}, {1000, 4000}}, []int{8, 8, 8, 8, 2}},
		{"sessions that did nothing say nothing", 1, [][2]int{{500, 0}, {500, 0}}, []int{8, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBalance(8, 0)
			for i, l := range c.looks {
				if got := b.look(time.Duration(l[0])*time.Millisecond, time.Duration(l[1])*time.Millisecond, c.sessions); got != c.want[i] {
					t.Fatalf("look %d: %d may decode, want %d", i, got, c.want[i])
				}
			}
		})
	}
}

// sleeper takes its time to decode, and counts how many do at once.
type sleeper struct {
	words
	takes time.Duration
	mu    *sync.Mutex
	now   *int
	most  *int
}

func (s sleeper) Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) ([]Sample, error) {
	s.mu.Lock()
	*s.now++
	*s.most = max(*s.most, *s.now)
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	*s.now--
	s.mu.Unlock()
	return s.words.Preprocess(ctx, ref, blob)
}

// TestAsManyDecodeAsKeepUpWithTheSession runs an engine of four workers whose session takes 100 ms for four objects, for half a minute: it says how many decode at once at its end, and how many objects a second come out.
func TestAsManyDecodeAsKeepUpWithTheSession(t *testing.T) {
	for _, c := range []struct {
		name    string
		takes   time.Duration
		balance bool
		most    int     // that decode at once in the second half
		rate    float64 // objects a second then, at least
	}{
		{"one keeps up", 20 * time.Millisecond, true, 1, 39},
		{"three keep up", 50 * time.Millisecond, true, 3, 39},
		{"all are needed, and do not suffice", 400 * time.Millisecond, true, 4, 9.5},
		{"without balance all decode, whether needed or not", 20 * time.Millisecond, false, 4, 39},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e, stop := decoding(t, c.takes, c.balance, 0)
				time.Sleep(15 * time.Second)
				before := e.Stats()
				s.mu.Lock()
				*s.most = 0
				s.mu.Unlock()
				time.Sleep(15 * time.Second)
				rate := float64(e.Stats().Cost-before.Cost) / 5 / 15
				s.mu.Lock()
				most := *s.most
				s.mu.Unlock()
				stop()
				if most != c.most || rate < c.rate {
					t.Errorf("%d decode at once and %.1f objects a second come out, want %d and %.1f", most, rate, c.most, c.rate)
				}
			})
		})
	}
}

// decoding is an engine at work whose objects take so long to be decoded, four at once at most, of which known are known to keep up; 0: nothing is. stop ends it.
func decoding(t *testing.T, takes time.Duration, balance bool, known int) (s sleeper, e *Engine, stop func()) {
	t.Helper()
	s = sleeper{takes: takes, mu: &sync.Mutex{}, now: new(int), most: new(int)}
	cfg := testConfig()
	cfg.Preprocessor, cfg.Balance, cfg.Decoders, cfg.Batch.MaxItems, cfg.Batch.Window = 4, balance, known, 4, 16
	e, err := NewEngine(cfg, s, []Session{&adder{delay: 100 * time.Millisecond}}, []Head{sumHead{1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	running.Go(func() {
		for e.Submit(ctx, Job{Blob: []byte("5"), Done: func([]schemas.Row, error) {}}) == nil {
		}
	})
	return s, e, func() {
		cancel()
		running.Wait()
	}
}

// TestTheBalanceBeginsWithWhatIsKnown has as many decode from the start as kept up before: by its looks alone a run of a few seconds has all decode to its end. What is known and too few is mended by looks.
func TestTheBalanceBeginsWithWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		name         string
		known        int
		takes        time.Duration
		from, to     time.Duration
		balance      bool
		most, active int
	}{
		{"nothing is known", 0, 10 * time.Millisecond, time.Second, 4 * time.Second, true, 4, 4},
		{"one kept up", 1, 10 * time.Millisecond, time.Second, 4 * time.Second, true, 1, 1},
		{"more than there are", 9, 10 * time.Millisecond, time.Second, 4 * time.Second, true, 4, 4},
		{"one is too few now", 1, 50 * time.Millisecond, 15 * time.Second, 19 * time.Second, true, 3, 3},
		{"as configured", 1, 10 * time.Millisecond, time.Second, 4 * time.Second, false, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e, stop := decoding(t, c.takes, c.balance, c.known)
				time.Sleep(c.from)
				s.mu.Lock()
				*s.most = 0
				s.mu.Unlock()
				time.Sleep(c.to - c.from)
				s.mu.Lock()
				most := *s.most
				s.mu.Unlock()
				active := e.Stats().Decoders
				stop()
				if most != c.most || active != c.active {
					t.Errorf("%d decode at once, and %d may, want %d and %d", most, active, c.most, c.active)
				}
			})
		})
	}
}

// TestWaitingToBeDecodedIsSeen has four objects of ten seconds, and one worker.
func TestWaitingToBeDecodedIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Preprocessor = 1
		e, err := NewEngine(cfg, slowly{}, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, done sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		for range 4 {
			done.Add(1)
			if err := e.Submit(ctx, Job{Blob: []byte(strings.Repeat("5 ", 10)), Done: func([]schemas.Row, error) { done.Done() }}); err != nil {
				t.Fatal(err)
			}
		}
		for at := range 4 {
			time.Sleep(5 * time.Second)
			if got := e.Stats().Undecoded; got != 3-at {
				t.Errorf("after %d s %d objects wait, want %d", 10*at+5, got, 3-at)
			}
			time.Sleep(5 * time.Second)
		}
		done.Wait()
		if s := e.Stats(); s.Undecoded != 0 || math.Round(s.PreprocessWait) != 60 {
			t.Errorf("at the end %d wait, and they waited for %g s, want a minute", s.Undecoded, s.PreprocessWait)
		}
		stop()
		running.Wait()
	})
}

// TestWaitsOfYearsInSumAreTold: of 600 years there are more nanoseconds than an int64 counts.
func TestWaitsOfYearsInSumAreTold(t *testing.T) {
	e, err := NewEngine(testConfig(), slowly{}, []Session{&adder{}}, []Head{sumHead{1}})
	if err != nil {
		t.Fatal(err)
	}
	const wait = 200 * 365 * 24 * time.Hour
	now, b := time.Now(), &Batch[*window]{}
	for range 3 {
		e.stats.admitted(now.Add(-wait))
		b.Items = append(b.Items, &window{queued: now.Add(-wait)})
	}
	e.stats.waited(b, now)
	want := 3 * wait.Seconds()
	if s := e.Stats(); s.Queue != want || s.PreprocessWait < want || s.PreprocessWait > want+60 {
		t.Errorf("%g s in the queue and %g s to be decoded, want %g s", s.Queue, s.PreprocessWait, want)
	}
}

// slowly is a Streamer that takes a second for each window.
type slowly struct{ words }

func (s slowly) Stream(ctx context.Context, ref schemas.Ref, blob []byte, emit func(Sample) error) error {
	all, err := s.Preprocess(ctx, ref, blob)
	for _, x := range all {
		time.Sleep(time.Second)
		if err := emit(x); err != nil {
			return err
		}
	}
	return err
}

// TestDecodingIsSeenWhileItGoesOn has one object that takes a minute: the balance, which looks every other second, must not see nothing for a minute, and then all of it.
func TestDecodingIsSeenWhileItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := NewEngine(testConfig(), slowly{}, []Session{&adder{}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, done sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		done.Add(1)
		if err := e.Submit(ctx, Job{Blob: []byte(strings.Repeat("5 ", 60)), Done: func(_ []schemas.Row, err error) {
			if err != nil {
				t.Error(err)
			}
			done.Done()
		}}); err != nil {
			t.Fatal(err)
		}
		for at := range 60 {
			time.Sleep(time.Second)
			if got := e.Stats().Preprocess; got != time.Duration(at)*time.Second && got != time.Duration(at+1)*time.Second { // the window of this very moment may be told already
				t.Fatalf("after %d s decoding has taken %v", at+1, got)
			}
		}
		done.Wait()
		if got := e.Stats().Preprocess; got != time.Minute {
			t.Errorf("in all %v", got)
		}
		stop()
		running.Wait()
	})
}
