package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/pace"
	"vecmill/internal/retry"
	"vecmill/stream"
)

var errKilled = errors.New("killed")

// world is a topic, a place for the state and the claims, to which requests take their time. What is given up may land up to 4.5 s later. A log whose replicas fall behind takes what is appended, and shows it up to 45 s later.
type world struct {
	mu     sync.Mutex
	r      *rand.Rand
	logs   [3][]stream.Record
	shown  [3]int       // records, of a log that is behind
	behind [3]time.Time // until then
	fell   int          // how often one fell behind
	state  *State
	claims []Claim
	late   sync.WaitGroup
}

// process is a publisher that may be killed: no request of it begins after that.
type process struct {
	*world
	dead chan struct{}
}

// chance draws under the world's lock, as the order of draws decides what happens.
func (w *world) chance(f func(r *rand.Rand) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f(w.r)
}

func (w *world) within(d time.Duration) (out time.Duration) {
	w.chance(func(r *rand.Rand) bool { out = time.Duration(r.Int64N(int64(d))); return true })
	return out
}

func oneIn(n int) func(r *rand.Rand) bool { return func(r *rand.Rand) bool { return r.IntN(n) == 0 } }

// ask is a request: effect happens, or not, or after whoever asked has given up.
func (p *process) ask(ctx context.Context, effect func()) error {
	if p.chance(oneIn(60)) { // the machine stands still
		time.Sleep(p.within(40 * time.Second))
	}
	took := p.within(300 * time.Millisecond)
	if p.chance(oneIn(40)) {
		took = p.within(25 * time.Second)
	}
	select {
	case <-p.dead:
		return errKilled
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	t := time.NewTimer(took)
	defer t.Stop()
	select {
	case <-t.C:
		p.mu.Lock()
		effect()
		p.mu.Unlock()
		if p.chance(oneIn(60)) {
			return errCut
		}
		return nil
	case <-p.dead:
		p.lands(effect)
		return errKilled
	case <-ctx.Done():
		p.lands(effect)
		return ctx.Err()
	}
}

// lands has a request that was given up happen all the same, or not.
func (p *process) lands(effect func()) {
	if p.chance(oneIn(2)) {
		return
	}
	p.late.Go(func() {
		time.Sleep(p.within(4500 * time.Millisecond))
		p.mu.Lock()
		effect()
		p.mu.Unlock()
	})
}

func (p *process) Partitions(ctx context.Context, topic string) (all []stream.Partition, err error) {
	for i := range p.logs {
		all = append(all, stream.Partition{Topic: topic, ID: i})
	}
	return all, p.ask(ctx, func() {})
}

func (p *process) Bounds(ctx context.Context, _ string, parts []stream.Partition) (map[stream.Partition]stream.Bounds, error) {
	out := map[stream.Partition]stream.Bounds{}
	err := p.ask(ctx, func() {
		for _, part := range parts {
			out[part] = stream.Bounds{Committed: -1, End: int64(len(p.logs[part.ID]))}
			if p.isBehind(part.ID) {
				out[part] = stream.Bounds{Committed: -1, End: int64(p.shown[part.ID])}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (w *world) isBehind(part int) bool { return time.Now().Before(w.behind[part]) }

func (p *process) Settled(ctx context.Context, parts []stream.Partition, waiting func(context.Context) error) (map[stream.Partition]stream.Bounds, error) {
	ends := map[stream.Partition]int{}
	if err := p.ask(ctx, func() {
		for _, part := range parts {
			ends[part] = len(p.logs[part.ID])
		}
	}); err != nil {
		return nil, err
	}
	for {
		out, err := p.Bounds(ctx, "", parts)
		if err != nil {
			return nil, err
		}
		hidden := 0
		for part, b := range out {
			hidden += max(0, ends[part]-int(b.End))
		}
		if hidden == 0 {
			return out, nil
		}
		if err := waiting(ctx); err != nil {
			return nil, err
		}
		if !retry.Sleep(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}

// Scan reads some records at a request. Its error may come behind some of them.
func (p *process) Scan(ctx context.Context, part stream.Partition, from, to int64, each func(stream.Record) error) error {
	for from < to {
		var recs []stream.Record
		if err := p.ask(ctx, func() { recs = append(recs, p.logs[part.ID][from:min(to, from+7)]...) }); err != nil {
			return err
		}
		for _, rec := range recs {
			rec.Offset = from
			if err := each(rec); err != nil {
				return err
			}
			from++
		}
	}
	return nil
}

// Append brings records of others with it, now and then many. While the log is behind, it fails for what is there then.
func (p *process) Append(ctx context.Context, part stream.Partition, recs []stream.Record) error {
	hidden := false
	err := p.ask(ctx, func() {
		if p.r.IntN(3) == 0 {
			p.logs[part.ID] = append(p.logs[part.ID], make([]stream.Record, p.r.IntN(200))...)
		}
		if !p.isBehind(part.ID) && p.r.IntN(30) == 0 {
			p.shown[part.ID], p.behind[part.ID] = len(p.logs[part.ID]), time.Now().Add(time.Duration(p.r.Int64N(int64(45*time.Second))))
			p.fell++
		}
		p.logs[part.ID] = append(p.logs[part.ID], recs...)
		hidden = p.isBehind(part.ID)
	})
	if err == nil && hidden {
		return errCut
	}
	return err
}

func (p *process) Last(ctx context.Context) (n int64, c Claim, err error) {
	err = p.ask(ctx, func() {
		if n = int64(len(p.claims)); n > 0 {
			c = p.claims[n-1]
		}
	})
	return n, c, err
}

func (p *process) Make(ctx context.Context, n int64, c Claim) error {
	var taken error
	err := p.ask(ctx, func() {
		if n <= int64(len(p.claims)) {
			taken = ErrClaimed
			return
		}
		p.claims = append(p.claims, c)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(err, taken)
}

func (p *process) Keep(ctx context.Context, n int64, c Claim) error {
	return p.ask(ctx, func() { p.claims[n-1] = c })
}

func (p *process) options(n int64, most int) Options {
	return Options{
		Name: "calls", Topic: "refs", Total: n, MaxLag: 1 << 40, Poll: time.Second, Pace: pace.New(0, most), Claims: p, By: "a pod",
		From: func(_ context.Context, at int64) (func() ([]byte, error), error) {
			return func() ([]byte, error) {
				if at++; at > n {
					return nil, io.EOF
				}
				return fmt.Appendf(nil, `{"v":1,"id":"r%d","uri":"s3://box/%d"}`, at-1, at-1), nil
			}, nil
		},
		Load: func(ctx context.Context) (s *State, err error) {
			err = p.ask(ctx, func() {
				if p.state != nil {
					c := *p.state
					s = &c
				}
			})
			return s, err
		},
		Save:      func(ctx context.Context, s *State) error { c := *s; return p.ask(ctx, func() { p.state = &c }) },
		Permanent: func(err error) bool { return errors.Is(err, errKilled) }, TooLarge: func(error) bool { return false },
		Retry: retry.Policy{Attempts: 20, Base: 200 * time.Millisecond, Max: 5 * time.Second},
	}
}

// jobs are two that publish a list at once: each starts a publisher anew until one says that all is published. Publishers are killed, hang, stand still, and their requests land late. It gives how often each reference is
// in the topic, and how the publishers ended.
func (w *world) jobs(ctx context.Context, n int64, t terms) (seen map[string]int, ends map[string]int) {
	ends = map[string]int{}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for {
				time.Sleep(w.within(40 * time.Second))
				p := &process{w, make(chan struct{})}
				after := w.within(2 * time.Minute)
				kill := time.AfterFunc(after, func() { close(p.dead) })
				_, err := run(ctx, p, p.options(n, 1+int(after%9)), t)
				kill.Stop()
				w.mu.Lock()
				switch {
				case err == nil:
					ends["done"]++
				case errors.Is(err, errKilled):
					ends["killed"]++
				case strings.Contains(err.Error(), "another publisher is at work"):
					ends["another"]++
				case strings.Contains(err.Error(), "has gone on with it"):
					ends["taken over"]++
				default:
					ends["fault"]++
				}
				w.mu.Unlock()
				if err == nil {
					return
				}
			}
		})
	}
	both.Wait()
	w.late.Wait()
	seen = map[string]int{}
	for _, log := range w.logs {
		for _, rec := range log {
			for _, h := range rec.Headers { // others have none
				seen[string(h.Value)]++
			}
		}
	}
	return seen, ends
}

const listed = 150

// worlds plays one world after the other, as long as each says so.
func worlds(t *testing.T, seeds uint64, terms terms, each func(seed uint64, seen map[string]int, ends map[string]int) bool) {
	t.Helper()
	for seed, more := uint64(0), true; more && seed < seeds; seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := &world{r: rand.New(rand.NewPCG(seed, 7))}
			seen, ends := w.jobs(t.Context(), listed, terms)
			ends["behind"] = w.fell
			more = each(seed, seen, ends)
		})
	}
}

// TestTwoPublishersOfAListGiveEachReferenceOnce is P5. The order of what is drawn is the scheduler's, so that a seed does not say all. Not played: a request that lands later than grace allows.
func TestTwoPublishersOfAListGiveEachReferenceOnce(t *testing.T) {
	sum := map[string]int{}
	worlds(t, 100, usual, func(seed uint64, seen, ends map[string]int) bool {
		for word, n := range seen {
			if n != 1 {
				t.Errorf("seed %d: %s is there %d times", seed, word, n)
			}
		}
		if len(seen) != listed {
			t.Errorf("seed %d: %d references, want %d", seed, len(seen), listed)
		}
		for end, n := range ends {
			sum[end] += n
		}
		return true
	})
	for _, end := range []string{"done", "killed", "another", "taken over", "fault", "behind"} {
		if sum[end] < 10 {
			t.Errorf("publishers ended as %q, or logs were so, only %d times: %v", end, sum[end], sum)
		}
	}
	t.Logf("publishers ended so: %v", sum)
}

// TestWhoWasSuspendedLooksBeforeItWrites has a machine that is suspended for an hour, with the clock by which times are measured, and another publisher that brings what is left into the topic meanwhile: between two rounds, and while the topic
// says where it ends for the state.
func TestWhoWasSuspendedLooksBeforeItWrites(t *testing.T) {
	for _, asking := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const n = 60
			tp := &suspending{topic: newTopic(1, 2, 0)}
			var kept *State
			o := options(tp.topic, n, &kept)
			terms, day := usual, time.Duration(0)
			terms.wall = func() time.Time { return time.Now().Add(day) }
			suspended := false
			suspend := func() {
				if suspended || kept == nil || kept.Next < 20 {
					return
				}
				suspended, day = true, time.Hour
				tp.claims[0].Over = true // so that the other one need not wait, which this clock would tell
				if _, err := Run(t.Context(), tp.topic, options(tp.topic, n, &kept)); err != nil {
					t.Error(err)
				}
			}
			save := o.Save
			o.Save = func(ctx context.Context, s *State) error {
				err := save(ctx, s)
				if !asking {
					suspend()
				}
				return err
			}
			if asking {
				tp.asked = suspend
			}
			_, err := run(t.Context(), tp, o, terms)
			if err == nil || !strings.Contains(err.Error(), "has gone on with it") || !suspended {
				t.Errorf("suspended %v (asking %v): %v", suspended, asking, err)
			}
			seen := map[string]int{}
			for _, log := range tp.logs {
				for _, rec := range log {
					for _, h := range rec.Headers {
						seen[string(h.Value)]++
					}
				}
			}
			for ref, times := range seen {
				if times != 1 {
					t.Errorf("asking %v: %s is there %d times", asking, ref, times)
				}
			}
			if len(seen) != n || kept.Next != n {
				t.Errorf("asking %v: %d references, and the state says %d", asking, len(seen), kept.Next)
			}
		})
	}
}

// suspending is a topic that is asked where it ends by a machine that is suspended before it hears.
type suspending struct {
	*topic
	asked func()
}

func (s *suspending) Bounds(ctx context.Context, group string, parts []stream.Partition) (map[stream.Partition]stream.Bounds, error) {
	if s.asked != nil && group == "" {
		s.asked()
	}
	return s.topic.Bounds(ctx, group, parts)
}

// TestTheWorldSeesTwoAtOnce spoils the times by which P5 is kept.
func TestTheWorldSeesTwoAtOnce(t *testing.T) {
	for name, spoil := range map[string]func(*terms){
		"nobody waits":                   func(t *terms) { t.grace = 0 },
		"a claim never ends":             func(t *terms) { t.hold = time.Hour },
		"nobody looks again":             func(t *terms) { t.beat, t.hold = time.Hour, time.Hour },
		"what is late is not waited for": func(t *terms) { t.grace = t.hold },
	} {
		terms, twice := usual, false
		spoil(&terms)
		worlds(t, 300, terms, func(_ uint64, seen, _ map[string]int) bool {
			for _, n := range seen {
				twice = twice || n > 1
			}
			return !twice
		})
		if !twice {
			t.Errorf("%s, and every reference is there once", name)
		}
	}
}

// TestWhoComesSecondSaysWhoIsAtWork has a publisher that waits for its group, and one that begins meanwhile; then the first ends, as it is told to, and the next one begins at once.
func TestWhoComesSecondSaysWhoIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 2, 0)
		var kept *State
		first := options(tp, 100, &kept)
		first.MaxLag, first.By = 20, "pod-1"
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := Run(ctx, tp, first)
			ended <- err
		}()
		time.Sleep(time.Minute)
		before := tp.records()
		second := options(tp, 100, &kept)
		if at, err := Run(t.Context(), tp, second); err == nil || !strings.Contains(err.Error(), "another publisher is at work on it (pod-1, since ") || tp.records() != before || at.Published != 0 {
			t.Errorf("%+v, %v", at, err)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		if at, err := Run(t.Context(), tp, second); err != nil || at.Published != 100 || time.Since(began) > 0 {
			t.Errorf("%+v, %v after %v", at, err, time.Since(began))
		}
		began = time.Now()
		if at, err := Run(t.Context(), tp, second); err != nil || at.Published != 100 || len(tp.claims) != 2 || time.Since(began) > 0 {
			t.Errorf("of what is published, %d claims are made: %+v, %v", len(tp.claims), at, err)
		}
	})
}

// TestWhoComesAfterAKillWaits has a claim that does not say that it is over, and nobody behind it.
func TestWhoComesAfterAKillWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTopic(1, 2, 0)
		tp.claims = []Claim{{ID: "x", By: "pod-0", Beats: 4}}
		var kept *State
		o := options(tp, 30, &kept)
		var told string
		o.Waits = func(by string, most time.Duration) { told = fmt.Sprint(by, " ", most) }
		began := time.Now()
		if at, err := Run(t.Context(), tp, o); err != nil || at.Published != 30 || time.Since(began) != usual.watch+usual.grace || told != "pod-0 25s" {
			t.Errorf("%+v, %v after %v, %q", at, err, time.Since(began), told)
		}
		if last := tp.claims[len(tp.claims)-1]; len(tp.claims) != 2 || !last.Over {
			t.Errorf("%+v", tp.claims)
		}
	})
}
