package embedtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"vecmill/embed"
	"vecmill/schemas"
)

// Load is what is offered to an engine that runs: live jobs one by one, at random times of a mean rate (a Poisson process), and beside them as much backfill as it takes.
type Load struct {
	Seed     uint64                // of the times at which live jobs come
	Rate     float64               // live jobs a second
	Count    int                   // live jobs
	Live     func(i int) embed.Job // number i; Priority and Done are set here
	Backfill func(i int) embed.Job // likewise; nil: none
	For      time.Duration         // with Count 0: how long to offer backfill alone
}

// Offered is what came of a Load.
type Offered struct {
	Took     []time.Duration // of each live job from the time when it was due to its rows, the shortest first. That it had to wait to be submitted counts
	Backfill int             // jobs that were done between the first live job's coming and the last one's end
	Span     time.Duration   // that time
}

// Quantile of the live jobs' times.
func (o *Offered) Quantile(q float64) time.Duration {
	if len(o.Took) == 0 {
		return 0
	}
	return o.Took[min(int(q*float64(len(o.Took))), len(o.Took)-1)]
}

// Offer returns once every job is done; the first error of one is its own.
func (l *Load) Offer(ctx context.Context, e *embed.Engine) (Offered, error) {
	t := &loaded{e: e}
	over := make(chan struct{})
	var feeding sync.WaitGroup
	if l.Backfill != nil {
		feeding.Go(func() { t.feed(ctx, l.Backfill, over) })
	}
	began := time.Now()
	r := rand.New(rand.NewPCG(l.Seed, 1))
	var live sync.WaitGroup
	due := began
	for i := range l.Count {
		due = due.Add(time.Duration(r.ExpFloat64() / l.Rate * float64(time.Second)))
		at := due
		time.Sleep(time.Until(at))
		live.Add(1)
		job := l.Live(i)
		job.Priority = embed.Live
		go t.submit(ctx, job, func() {
			defer live.Done()
			t.mu.Lock()
			defer t.mu.Unlock()
			t.mu.out.Took = append(t.mu.out.Took, time.Since(at))
		})
	}
	live.Wait()
	if l.Count == 0 {
		time.Sleep(l.For)
	}
	t.mu.Lock()
	out := t.mu.out
	t.mu.Unlock()
	out.Span = time.Since(began)
	close(over)
	feeding.Wait()
	t.jobs.Wait()
	slices.Sort(out.Took)
	return out, t.mu.fault
}

// loaded is an engine under load.
type loaded struct {
	e    *embed.Engine
	jobs sync.WaitGroup // of the backfill
	mu   struct {
		sync.Mutex
		out   Offered
		fault error
	}
}

// feed submits backfill until the load is over. The engine holds it up.
func (t *loaded) feed(ctx context.Context, job func(int) embed.Job, over <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		default:
		}
		j := job(i)
		j.Priority = embed.Backfill
		t.jobs.Add(1)
		t.submit(ctx, j, func() {
			t.mu.Lock()
			t.mu.out.Backfill++
			t.mu.Unlock()
			t.jobs.Done()
		})
	}
}

// submit calls ended once, whatever becomes of the job.
func (t *loaded) submit(ctx context.Context, job embed.Job, ended func()) {
	fail := func(err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.mu.fault == nil {
			t.mu.fault = fmt.Errorf("job %s: %w", job.Ref.ID, err)
		}
	}
	job.Done = func(_ []schemas.Row, err error) {
		if err != nil {
			fail(err)
		}
		ended()
	}
	if err := t.e.Submit(ctx, job); err != nil {
		fail(err)
		ended()
	}
}
