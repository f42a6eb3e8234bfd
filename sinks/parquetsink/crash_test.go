package parquetsink_test

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
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// schedules is the number of seeds that each of the crash tests tries; make sim tries more.
var schedules = flag.Int("schedules", 60, "number of schedules of crashes")

// TestEveryOffsetIsWrittenOnceUnderCrashes runs several owners of one source at once, with crashes, zombies, lost answers, late
// landings, refusals and hanging requests, and then reads the store. It proves nothing about stores that break their promises.
func TestEveryOffsetIsWrittenOnceUnderCrashes(t *testing.T) { crashes(t, parquetsink.Plain) }

// TestEveryOffsetIsWrittenOnceUnderCrashesAtMidnight is the same in the hive layout, with a midnight among the owners' lives.
func TestEveryOffsetIsWrittenOnceUnderCrashesAtMidnight(t *testing.T) { crashes(t, parquetsink.Hive) }

func crashes(t *testing.T, layout parquetsink.Layout) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the heap is so small that it would be collected for every few files
	if testing.Short() {
		*schedules = min(*schedules, 6)
	}
	var seen events
	for seed := range uint64(*schedules) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := simulate(t, layout, seed, &seen, func(m *sinktest.MemStore) objectstore.Store { return m }); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	t.Logf("%d files, %d names lost to other owners, %d files cut by one", seen.files.Load(), seen.lost.Load(), seen.cut.Load())
	if layout == parquetsink.Hive && seen.days.Load() < int64(*schedules)*5/4 {
		t.Errorf("%d ends of days: hardly a chain meets a midnight", seen.days.Load())
	}
	if seen.lost.Load() < int64(*schedules) || seen.cut.Load() < int64(*schedules)/10 {
		t.Error("the schedules hardly make the owners collide")
	}
}

// events counts what the sinks of all schedules report.
type events struct{ files, lost, cut, days atomic.Int64 }

func (e *events) FileWritten(f parquetsink.FileWritten) {
	e.files.Add(1)
	if f.Reason == parquetsink.RollDay {
		e.days.Add(1)
	}
	if f.Conflict {
		e.cut.Add(1)
	}
}

func (e *events) NameLost(parquetsink.NameLost) { e.lost.Add(1) }

// TestTheCrashTestSeesAStoreThatOverwrites shows that the test above can fail.
func TestTheCrashTestSeesAStoreThatOverwrites(t *testing.T) {
	for seed := range uint64(40) {
		caught := false
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := simulate(t, parquetsink.Plain, seed, &events{}, func(m *sinktest.MemStore) objectstore.Store { return overwriting{m} })
				if caught = err != nil; caught {
					t.Logf("caught: %v", err)
				}
			})
		})
		if caught {
			return
		}
	}
	t.Fatal("no seed of 40 noticed that the store overwrites files")
}

// overwriting ignores the condition of PutIfAbsent.
type overwriting struct{ *sinktest.MemStore }

func (o overwriting) PutIfAbsent(ctx context.Context, name string, body []byte, _ map[string]string) error {
	return o.Put(ctx, name, body, "")
}

// world is one source, its true store, and what its owners know.
type world struct {
	t         *testing.T
	layout    parquetsink.Layout
	seen      *events
	src       schemas.SourceID
	origin    int64          // the log begins here
	end       int64          // and ends here
	tasks     []schemas.Task // of the rows
	store     objectstore.Store
	committed atomic.Int64 // every offset before it was reported durable
	fault     struct {
		sync.Mutex
		err error
	}
}

// simulate plays one schedule and gives the first offence.
func simulate(t *testing.T, layout parquetsink.Layout, seed uint64, seen *events, wrap func(*sinktest.MemStore) objectstore.Store) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	mem := sinktest.NewMemStore()
	mem.DropMeta = seed%5 == 4
	w := &world{t: t, layout: layout, seen: seen, src: schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 3}, store: wrap(mem), tasks: tasksOf(seed)}
	w.origin = []int64{0, 0, 41}[rng.IntN(3)]
	w.end = w.origin + 150
	w.committed.Store(w.origin)
	mem.Faults = faults(rand.New(rand.NewPCG(seed, 2)))

	if layout == parquetsink.Hive { // a bubble's clock begins at midnight
		time.Sleep(24*time.Hour - time.Duration(seed%8)*time.Minute/2)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
		wg.Go(func() {
			time.Sleep(time.Duration(rng.Int64N(int64(90 * time.Second))))
			w.live(rng)
		})
	}
	wg.Wait()
	mem.Faults = nil // late landings are still on their way
	w.finish()
	time.Sleep(time.Hour)
	if w.fault.err != nil {
		return w.fault.err
	}
	return w.inspect()
}

// tasksOf is two of the tasks: every task is in some seed's files, and no seed pays for the columns of all.
func tasksOf(seed uint64) []schemas.Task {
	all := schemas.Tasks()
	n := uint64(len(all))
	return []schemas.Task{all[seed%n], all[(seed+1+seed/n%(n-1))%n]}
}

// faults decides about each request of a schedule.
func faults(rng *rand.Rand) func(sinktest.Op) sinktest.Fault {
	var mu sync.Mutex
	return func(op sinktest.Op) sinktest.Fault {
		mu.Lock()
		defer mu.Unlock()
		slow := time.Duration(rng.Int64N(int64(3 * time.Second)))
		p := rng.IntN(100)
		if op.Kind != sinktest.OpPut {
			if p < 10 {
				return sinktest.Fault{Delay: slow, Err: sinktest.ErrFault}
			}
			return sinktest.Fault{Delay: slow / 10}
		}
		switch {
		case p < 12: // it landed, the answer was lost
			return sinktest.Fault{Delay: slow, Err: sinktest.ErrFault, Land: true}
		case p < 20: // it lands when nobody expects it
			return sinktest.Fault{Delay: slow, Err: sinktest.ErrFault, Land: true, LandAfter: time.Duration(rng.Int64N(int64(2 * time.Minute)))}
		case p < 28: // 503
			return sinktest.Fault{Delay: slow, Err: sinktest.ErrFault}
		case p < 33: // black hole; it may have landed
			return sinktest.Fault{Delay: time.Hour, Land: rng.IntN(2) == 0}
		}
		return sinktest.Fault{Delay: slow}
	}
}

// process is the store as one process sees it: after its crash nothing gets through.
type process struct {
	objectstore.Store
	crashed atomic.Bool
}

func (p *process) PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error {
	if p.crashed.Load() {
		return sinktest.ErrFault
	}
	return p.Store.PutIfAbsent(ctx, name, body, meta)
}

func (w *world) open(st objectstore.Store, rng *rand.Rand) *parquetsink.Sink {
	c := config(st)
	c.Compression, c.RollRows, c.RollAge, c.Uploads = parquetsink.None, 3+rng.IntN(60), 5*time.Second, 1+rng.IntN(2)
	c.MaxBuffered = []int64{8000, 40_000, 1 << 30}[rng.IntN(3)]
	c.Layout = w.layout
	c.Tasks, c.PutTimeout, c.Observer = w.tasks, 10*time.Second, w.seen
	c.Retry = retry.Policy{Attempts: 4, Base: 500 * time.Millisecond, Max: 5 * time.Second}
	return open(w.t, c)
}

// live is one process: it owns the source, whether or not others think that they do, until it crashes or stops.
func (w *world) live(rng *rand.Rand) {
	p := &process{Store: w.store}
	s := w.open(p, rng)
	defer func() { // what a crash leaves behind is only stopped, its store being out of reach
		p.crashed.Store(true)
		s.Forget(w.src)
		s.Close(context.Background())
	}()
	for range 1 + rng.IntN(4) {
		next, ok := w.resume(s, rng)
		for ok && next < w.end && rng.IntN(20) > 0 {
			n := min(1+rng.Int64N(15), w.end-next)
			if ok = w.write(s, next, next+n) == nil; ok {
				next += n
			}
			switch rng.IntN(10) {
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
			}
		}
		if rng.IntN(3) == 0 {
			s.Forget(w.src) // the partition was revoked
			time.Sleep(time.Duration(rng.Int64N(int64(30 * time.Second))))
		}
	}
	if rng.IntN(2) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.Close(ctx)
	}
}

func (w *world) resume(s *parquetsink.Sink, rng *rand.Rand) (next int64, ok bool) {
	durable := w.committed.Load()
	hint := []int64{0, durable, w.origin + rng.Int64N(durable-w.origin+1)}[rng.IntN(3)]
	next, known, err := s.Resume(context.Background(), w.src, hint)
	switch {
	case errors.Is(err, parquetsink.ErrBrokenChain):
		w.offence(err)
		return 0, false
	case err != nil:
		return 0, false
	case !known:
		next = w.origin
	}
	if next < durable {
		w.offence(fmt.Errorf("resumed at %d although everything before %d had been reported durable", next, durable))
	}
	return next, true
}

func (w *world) write(s *parquetsink.Sink, first, next int64) error {
	r, rows := sinktest.MakeOf(w.tasks, w.src, first, next)
	var calls atomic.Int32
	return s.Write(context.Background(), r, rows, func(err error) {
		if calls.Add(1) > 1 {
			w.offence(fmt.Errorf("[%d, %d) was reported twice", first, next))
		}
		if err != nil {
			return
		}
		for now := w.committed.Load(); now < next; now = w.committed.Load() {
			if w.committed.CompareAndSwap(now, next) {
				return
			}
		}
	})
}

func (w *world) offence(err error) {
	w.fault.Lock()
	defer w.fault.Unlock()
	if w.fault.err == nil {
		w.fault.err = err
	}
}

// finish writes what is left, without faults.
func (w *world) finish() {
	rng := rand.New(rand.NewPCG(0, 0))
	s := w.open(w.store, rng)
	next, known, err := s.Resume(context.Background(), w.src, w.committed.Load())
	if !known {
		next = w.origin
	}
	if err == nil && next < w.end {
		err = w.write(s, next, w.end)
	}
	if err = errors.Join(err, s.Close(context.Background())); err != nil {
		w.offence(fmt.Errorf("the last owner cannot finish: %w", err))
	}
}

// inspect reads the whole chain.
func (w *world) inspect() error {
	files, err := w.layout.Chain(context.Background(), w.store, "out/rows", w.src, 0)
	if err != nil {
		return err
	}
	a := sinktest.Account{Tasks: w.tasks}
	all, err := w.store.List(context.Background(), "out/rows/", "")
	if err != nil {
		return err
	}
	if len(all) != len(files) {
		return fmt.Errorf("who lists the store finds %d files, and the chain has %d", len(all), len(files))
	}
	for _, f := range files {
		rows, err := parquetsink.ReadRows(context.Background(), w.store, f.Name)
		if err != nil {
			return err
		}
		a.Rows = append(a.Rows, rows...)
		a.Dead, a.Skipped, a.Lost = append(a.Dead, f.Range.Dead...), append(a.Skipped, f.Range.Skipped...), append(a.Lost, f.Range.Lost...)
	}
	if first, last := files[0], files[len(files)-1]; first.Range.First != 0 || first.Origin != w.origin || last.Range.Next != w.end {
		return fmt.Errorf("the chain covers [%d, %d) from origin %d, want [0, %d) from %d", first.Range.First, last.Range.Next, first.Origin, w.end, w.origin)
	}
	return a.Audit(w.src, w.origin, w.end, true)
}
