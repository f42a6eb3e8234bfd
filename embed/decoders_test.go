package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
)

// noted is words: each window takes as many seconds as it has steps, and when it is begun is noted, as steps@second.
type noted struct {
	words
	book *notebook
}

type notebook struct {
	sync.Mutex
	began time.Time
	notes []string
}

func (n noted) decode(s *Sample) {
	n.book.Lock()
	n.book.notes = append(n.book.notes, fmt.Sprintf("%d@%.0f", s.Cost, time.Since(n.book.began).Seconds()))
	n.book.Unlock()
	time.Sleep(time.Duration(s.Cost) * time.Second)
}

func (n noted) Preprocess(ctx context.Context, ref schemas.Ref, blob []byte) ([]Sample, error) {
	all, err := n.words.Preprocess(ctx, ref, blob)
	for i := range all {
		n.decode(&all[i])
	}
	return all, err
}

// notedStream is noted, and hands its windows over one by one.
type notedStream struct{ noted }

func (n notedStream) Stream(ctx context.Context, ref schemas.Ref, blob []byte, emit func(Sample) error) error {
	all, err := n.words.Preprocess(ctx, ref, blob)
	for i := range all {
		n.decode(&all[i])
		if err := emit(all[i]); err != nil {
			return err
		}
	}
	return err
}

// crowd is an engine in which one object may be decoded at once, as samples wait for a session that does not come to an end.
type crowd struct {
	*Engine
	t   *testing.T
	ctx context.Context
}

// submitted hands objects over, each when the one before has come to its worker.
func (c *crowd) submitted(p Priority, blobs ...string) {
	c.t.Helper()
	for _, b := range blobs {
		c.job(Job{Blob: []byte(b), Priority: p, Done: func([]schemas.Row, error) {}})
	}
}

func (c *crowd) job(j Job) {
	c.t.Helper()
	if err := c.Submit(c.ctx, j); err != nil {
		c.t.Error(err)
	}
	synctest.Wait()
}

// crowded runs a test in such an engine of so many workers for each priority, and gives what it noted.
func crowded(t *testing.T, workers int, streams bool, test func(c *crowd)) []string {
	t.Helper()
	n := noted{book: &notebook{}}
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Preprocessor, cfg.Batch.MaxItems, cfg.Batch.Window = workers, 1, 64
		var pre Preprocessor = n
		if streams {
			pre = notedStream{n}
		}
		e, err := NewEngine(cfg, pre, []Session{&adder{delay: 24 * time.Hour}}, []Head{sumHead{1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		c := &crowd{e, t, ctx}
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		c.submitted(Live, "1", "1", "1", "1") // one runs, one is collated, two wait
		time.Sleep(10 * time.Second)
		if waiting := e.Stats().Waiting; waiting != 2 {
			t.Errorf("%d samples wait", waiting)
		}
		e.mu.Lock()
		e.mu.decoders.active = 1
		e.mu.Unlock()
		n.book.Lock()
		n.book.began, n.book.notes = time.Now(), nil
		n.book.Unlock()
		test(c)
		stop()
		running.Wait()
	})
	return n.book.notes
}

// A live object begins though one of the backfill is decoded, and that one waits for live ones.
func TestLiveObjectsDoNotWaitForTheBackfillsDecoding(t *testing.T) {
	notes := crowded(t, 2, false, func(c *crowd) {
		c.submitted(Backfill, "20", "3")
		time.Sleep(time.Second)
		c.submitted(Live, "2") // begins
		time.Sleep(18 * time.Second)
		c.submitted(Live, "6", "4") // the first begins, the second waits for it, and the backfill for both
		time.Sleep(time.Minute)
	})
	if got, want := strings.Join(notes, " "), "20@0 2@1 6@19 4@25 3@29"; got != want {
		t.Errorf("decoding began %s, want %s", got, want)
	}
}

// A recording asks for its turn anew for each window, behind those that have come meanwhile.
func TestARecordingTakesTurnsWithOthers(t *testing.T) {
	for _, p := range []Priority{Live, Backfill} {
		notes := crowded(t, 3, true, func(c *crowd) {
			c.submitted(p, "1 1 1 1 1 1 1 1", "2", "3", "4") // for three workers
			time.Sleep(time.Minute)
		})
		got := strings.Join(notes, " ")
		if at := strings.Index(got, "4@"); !strings.HasPrefix(got, "1@0 2@1 3@3 1@6 ") || at < 0 || at > len("1@0 2@1 3@3 1@6 1@7 ") || len(notes) != 11 {
			t.Errorf("decoding began %s, want the others to begin between the recording's windows", got)
		}
	}
}

// Live objects come and come, and the backfill has every 16th turn.
func TestTheBackfillsDecodingDoesNotStarve(t *testing.T) {
	notes := crowded(t, 3, false, func(c *crowd) {
		c.submitted(Live, slices.Repeat([]string{"1"}, 3)...)
		c.submitted(Backfill, "7")
		for range 40 {
			c.submitted(Live, "1")
			time.Sleep(time.Second)
		}
	})
	at := slices.IndexFunc(notes, func(n string) bool { return strings.HasPrefix(n, "7@") })
	if at < 10 || at > 18 {
		t.Errorf("the backfill's object is number %d: %v", at, notes)
	}
}

// Objects of which nobody wants anything any more when their turn comes, as after a rebalance, take none from others; nor does the next window of a recording.
func TestObjectsThatAreNotWantedTakeNoTurns(t *testing.T) {
	for _, c := range []struct {
		streams     bool
		stale, want string
	}{{false, "5", "20@0 3@20"}, {true, "4 4 4", "20@0 4@20 12@24 3@36"}} {
		var unwanted atomic.Int32
		notes := crowded(t, 4, c.streams, func(e *crowd) {
			var revoked atomic.Bool
			stale := Job{Blob: []byte(c.stale), Wanted: func() bool { return !revoked.Load() }, Done: func(_ []schemas.Row, err error) {
				if errors.Is(err, ErrUnwanted) {
					unwanted.Add(1)
				}
			}}
			e.submitted(Live, "20")
			e.job(stale)
			if c.streams {
				e.submitted(Live, "12") // has its turn behind the first window
				time.Sleep(25 * time.Second)
			} else {
				e.job(stale)
			}
			revoked.Store(true)
			e.submitted(Live, "3")
			time.Sleep(time.Minute)
		})
		if got := strings.Join(notes, " "); got != c.want {
			t.Errorf("streams %t: decoding began %s, want %s", c.streams, got, c.want)
		}
		if n := unwanted.Load(); !c.streams && n != 2 {
			t.Errorf("%d objects ended as unwanted, want 2", n)
		}
	}
}
