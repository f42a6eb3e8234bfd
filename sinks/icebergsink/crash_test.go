package icebergsink

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// schedules is the number of seeds that each of the crash tests tries; make sim tries more.
var schedules = flag.Int("schedules", 60, "number of schedules of crashes")

// TestEveryOffsetIsWrittenOnceUnderCrashes runs several owners of the sources of one table at once, with crashes, zombies, lost answers, late landings,
// conflicts and hanging requests, and tombstones among the rows, and then reads the table. It proves nothing about catalogs that break their promises.
func TestEveryOffsetIsWrittenOnceUnderCrashes(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the heap is so small that it would be collected for every few files
	if testing.Short() {
		*schedules = min(*schedules, 6)
	}
	var seen events
	for seed := range uint64(*schedules) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := play(t, seed, &seen, false); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	t.Logf("%d commits, %d of them of both sources, %d tried more than once; %d ranges taken by other owners; %d rows gone, %d of them from earlier snapshots",
		seen.commits.Load(), seen.both.Load(), seen.tried.Load(), seen.taken.Load(), seen.gone.Load(), seen.positions.Load())
	if seen.positions.Load() < int64(*schedules) || seen.gone.Load() < seen.positions.Load()+int64(*schedules) {
		t.Error("the schedules hardly have tombstones for rows of the same snapshot and of earlier ones")
	}
	if seen.taken.Load() < int64(*schedules) || seen.tried.Load() < int64(*schedules) || seen.both.Load() < int64(*schedules)/2 {
		t.Error("the schedules hardly make the owners collide, or commits hardly have several ranges")
	}
}

// TestTheCrashTestSeesATableThatDoesNotCompare shows that the test above can fail.
func TestTheCrashTestSeesATableThatDoesNotCompare(t *testing.T) {
	for seed := range uint64(40) {
		caught := false
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := play(t, seed, &events{}, true)
				if caught = err != nil; caught {
					t.Logf("caught: %v", err)
				}
			})
		})
		if caught {
			return
		}
	}
	t.Fatal("no seed of 40 noticed that the catalog does not compare")
}

// events counts what the sinks of all schedules report.
type events struct{ commits, both, taken, tried, positions, gone atomic.Int64 }

func (e *events) Committed(c Committed) {
	e.commits.Add(1)
	if len(c.Added) > 1 {
		e.both.Add(1)
	}
	e.taken.Add(int64(len(c.Taken)))
	for i := range c.Delta.Deletes {
		e.positions.Add(c.Delta.Deletes[i].Rows)
	}
	if c.Tries > 1 {
		e.tried.Add(1)
	}
}

// game is a table with two sources and what their owners know.
type game struct {
	*world
	t         *testing.T
	seen      *events
	origin    int64 // the logs begin here
	end       int64 // and end here
	tasks     []schemas.Task
	committed [2]atomic.Int64 // of each source: every offset before it was reported durable
	fault     struct {
		sync.Mutex
		err error
	}
}

func srcOf(n int) schemas.SourceID { return schemas.SourceID{Pipeline: "p", Topic: "t", Partition: n} }

// play plays one schedule and gives the first offence.
func play(t *testing.T, seed uint64, seen *events, blind bool) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := schemas.Tasks()
	g := &game{world: newWorld(), t: t, seen: seen, origin: []int64{0, 0, 41}[rng.IntN(3)], tasks: []schemas.Task{all[seed%uint64(len(all))]}}
	g.end = g.origin + 70
	for i := range g.committed {
		g.committed[i].Store(g.origin)
	}
	g.table.blind = blind
	g.table.faults, g.table.loads = faultsOf(rand.New(rand.NewPCG(seed, 2)))
	if seed%3 == 2 {
		g.table.partition = func(_ string, r *schemas.Row) (Tuple, error) { return Tuple{Path: fmt.Sprint("odd=", r.Offset%2)}, nil }
	}
	var wg sync.WaitGroup
	for i := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
		wg.Go(func() {
			time.Sleep(time.Duration(rng.Int64N(int64(90 * time.Second))))
			g.live(rng)
		})
	}
	wg.Wait()
	g.table.mu.Lock()
	g.table.faults, g.table.loads = nil, nil // late landings are still on their way
	g.table.mu.Unlock()
	g.finish()
	time.Sleep(time.Hour)
	if g.fault.err != nil {
		return g.fault.err
	}
	return g.inspect()
}

// faultsOf decides about each request of a schedule.
func faultsOf(rng *rand.Rand) (func(int) fault, func() (time.Duration, error)) {
	var mu sync.Mutex
	appends := func(int) fault {
		mu.Lock()
		defer mu.Unlock()
		slow := time.Duration(rng.Int64N(int64(3 * time.Second)))
		switch p := rng.IntN(100); {
		case p < 12: // it landed, the answer was lost
			return fault{delay: slow, err: errFault, land: true}
		case p < 20: // it lands when nobody expects it
			return fault{delay: slow, err: errFault, land: true, landAfter: time.Duration(rng.Int64N(int64(2 * time.Minute)))}
		case p < 28:
			return fault{delay: slow, err: errFault}
		case p < 33: // black hole; it may have landed
			return fault{delay: time.Hour, land: rng.IntN(2) == 0}
		}
		return fault{delay: slow}
	}
	loads := func() (time.Duration, error) {
		mu.Lock()
		defer mu.Unlock()
		slow := time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
		if rng.IntN(10) == 0 {
			return slow, errFault
		}
		return slow, nil
	}
	return appends, loads
}

// process is the table as one process sees it: after its crash nothing gets through.
type process struct {
	Table
	crashed atomic.Bool
}

func (p *process) Append(ctx context.Context, v View, d Delta, summary map[string]string) error {
	if p.crashed.Load() {
		return errFault
	}
	return p.Table.Append(ctx, v, d, summary)
}

func (g *game) open(t Table, rng *rand.Rand) *Sink {
	c := g.config()
	c.Table, c.RollRows, c.RollAge, c.Uploads = t, 3+rng.IntN(60), 5*time.Second, 1+rng.IntN(2)
	c.MaxBuffered = []int64{8000, 40_000, 1 << 30}[rng.IntN(3)]
	c.Tasks, c.Timeout, c.Observer = g.tasks, 10*time.Second, g.seen
	c.Retry = retry.Policy{Attempts: 4, Base: 500 * time.Millisecond, Max: 5 * time.Second}
	return open(g.t, c)
}

// live is one process: it owns the sources, whether or not others think that they do, until it crashes or stops.
func (g *game) live(rng *rand.Rand) {
	p := &process{Table: g.table}
	s := g.open(p, rng)
	defer func() { // what a crash leaves behind is only stopped, its catalog being out of reach
		p.crashed.Store(true)
		s.Forget(srcOf(0))
		s.Forget(srcOf(1))
		s.Close(context.Background())
	}()
	for range 1 + rng.IntN(4) {
		var next [2]int64
		var owns [2]bool
		for i := range next {
			next[i], owns[i] = g.resume(s, i)
		}
		for (owns[0] || owns[1]) && rng.IntN(25) > 0 {
			i := rng.IntN(2)
			if owns[i] = owns[i] && next[i] < g.end; owns[i] {
				n := min(1+rng.Int64N(15), g.end-next[i])
				if owns[i] = g.write(s, i, next[i], next[i]+n) == nil; owns[i] {
					next[i] += n
				}
			}
			switch rng.IntN(12) {
			case 0:
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.Int64N(int64(20*time.Second))))
				s.Flush(ctx) // its failures reach the dones
				cancel()
			case 1: // paused: a zombie when it wakes
				time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Minute))))
			case 2, 3, 4:
				time.Sleep(time.Duration(rng.Int64N(int64(8 * time.Second))))
			case 5:
				if rng.IntN(3) == 0 {
					return // crash
				}
			case 6: // one partition is revoked and comes back
				s.Forget(srcOf(i))
				next[i], owns[i] = g.resume(s, i)
			}
		}
	}
	if rng.IntN(2) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Close(ctx)
	}
}

func (g *game) resume(s *Sink, i int) (next int64, ok bool) {
	durable := g.committed[i].Load()
	next, known, err := s.Resume(context.Background(), srcOf(i), 0)
	switch {
	case err != nil:
		return 0, false
	case !known:
		next = g.origin
	}
	if next < durable {
		g.offence(fmt.Errorf("source %d resumed at %d although everything before %d had been reported durable", i, next, durable))
	}
	return next, true
}

func (g *game) write(s *Sink, i int, first, next int64) error {
	r, rows := sinktest.MakeOf(g.tasks, srcOf(i), first, next)
	for _, s := range r.Skipped {
		for o := s.First; o < s.Next; o++ {
			r.Deletes = append(r.Deletes, schemas.Deletion{Offset: o, RefID: sinktest.Row(srcOf(i), o-deletedBefore, 0).RefID})
		}
	}
	var calls atomic.Int32
	return s.Write(context.Background(), r, rows, func(err error) {
		if calls.Add(1) > 1 {
			g.offence(fmt.Errorf("[%d, %d) was reported twice", first, next))
		}
		if err != nil {
			return
		}
		for now := g.committed[i].Load(); now < next; now = g.committed[i].Load() {
			if g.committed[i].CompareAndSwap(now, next) {
				return
			}
		}
	})
}

func (g *game) offence(err error) {
	g.fault.Lock()
	defer g.fault.Unlock()
	if g.fault.err == nil {
		g.fault.err = err
	}
}

// deletedBefore is how far before a skipped offset, which is a tombstone's, the offset lies whose rows it takes away.
const deletedBefore = 5

// deleted takes the rows of an account that tombstones have taken away for present, and says if one is.
func (g *game) deleted(src schemas.SourceID, a *sinktest.Account) error {
	r, rows := sinktest.MakeOf(g.tasks, src, g.origin, g.end)
	gone := map[int64]bool{}
	for _, s := range r.Skipped {
		for o := s.First; o < s.Next; o++ {
			gone[o-deletedBefore] = true
		}
	}
	for i := range a.Rows {
		if gone[a.Rows[i].Offset] {
			return fmt.Errorf("offset %d has a row, which a tombstone has named", a.Rows[i].Offset)
		}
	}
	for i := range rows {
		if gone[rows[i].Offset] {
			a.Rows = append(a.Rows, rows[i])
			g.seen.gone.Add(1)
		}
	}
	return nil
}

// finish writes what is left, without faults.
func (g *game) finish() {
	s := g.open(g.table, rand.New(rand.NewPCG(0, 0)))
	var errs []error
	for i := range g.committed {
		next, known, err := s.Resume(context.Background(), srcOf(i), 0)
		if !known {
			next = g.origin
		}
		if err == nil && next < g.end {
			err = g.write(s, i, next, g.end)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, s.Close(context.Background()))...); err != nil {
		g.offence(fmt.Errorf("the last owner cannot finish: %w", err))
	}
}

// inspect reads the whole table.
func (g *game) inspect() error {
	for i := range g.committed {
		a, err := g.read(srcOf(i))
		if err != nil {
			return err
		}
		a.Tasks = g.tasks
		if err := g.deleted(srcOf(i), &a); err != nil {
			return fmt.Errorf("source %d: %w", i, err)
		}
		if err := a.Audit(srcOf(i), g.origin, g.end, true); err != nil {
			return fmt.Errorf("source %d: %w", i, err)
		}
	}
	v, err := g.table.Load(context.Background())
	if err != nil {
		return err
	}
	p, err := v.Progress()
	if err != nil || p[srcOf(0)] != g.end || p[srcOf(1)] != g.end {
		return fmt.Errorf("the progress is %v, want %d: %w", p, g.end, err)
	}
	return nil
}
