package simulate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
	"vecmill/stream"
)

// world is everything: the log, the cloud, the group, the processes, and the oracle beside them.
type world struct {
	plan   *Plan
	d      draws
	start  time.Time
	tr     *trace
	log    *theLog
	cloud  *cloud
	db     *database
	lake   *catalog
	group  broker
	oracle *oracle
	slots  []*slot
	wg     sync.WaitGroup // every process ever
	logs   io.Writer      // of the workers' logs; nil: nowhere
	meter  *Meter
	mu     struct {
		sync.Mutex
		coverage  Coverage
		ends      []string
		settled   time.Duration // 0: not yet
		suspended int           // Suspend steps under way
	}
}

// broker is the seam at which Kafka is replaced.
type broker interface {
	run(ctx context.Context)
	source(p *process, log *slog.Logger) (stream.Source, error)
	rebalance()
	ownerOf(part int) string // the process that a partition belongs to; "" if that is nobody or not known
	finished() bool          // everything is committed
	where() string           // how far it is, for people
	close()
}

// slot is a place where processes run, one after the other.
type slot struct {
	number int
	runs   int
	since  time.Time
	mu     struct {
		sync.Mutex
		wanted bool
		now    *process // nil before the first
	}
}

func (s *slot) process() *process { s.mu.Lock(); defer s.mu.Unlock(); return s.mu.now }

func (s *slot) want(yes bool) { s.mu.Lock(); defer s.mu.Unlock(); s.mu.wanted = yes }

// vacant says whether a process is wanted and none runs.
func (s *slot) vacant() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.wanted && (s.mu.now == nil || s.mu.now.over())
}

// Coverage counts what happened: seeds in which nothing happens prove nothing.
type Coverage struct {
	Records   int64 // read, also again
	Files     int
	Barred    int // PUTs of files that were answered 412: another owner's, or one's own that had landed
	NamesLost int // races for a file's name that a process lost to another, and learned of
	Unheard   int // PUTs of files that landed, and whose answers did not come
	Belated   int // PUTs of files that came when their callers had given up, and found their names taken

	Transactions int   // that committed in the database
	Stored       int   // that found all of their offsets stored: by an earlier try, or by another owner
	Snapshots    int   // of the Iceberg table
	Unclear      int   // of these: their commits looked failed
	Outrun       int   // commits to the Iceberg table that came second: another writer's, or an own earlier one, was there
	Drains       int   // assignments that were taken back in order with records under way; of the scripted source
	Abandoned    int64 // records that were not durable when their assignments ended
	Beyond       int   // outputs that ended beyond the log's end as it had been looked up; of the scripted source
	Crashes      int
	Faults       int // processes that ended with an error of their own
	Pauses       int
	Starts       int
}

// String is the counts in words.
func (c Coverage) String() string {
	return fmt.Sprintf("%d records read, %d files, %d PUTs answered 412, %d races for a name lost; %d transactions, %d found their offsets stored; %d snapshots, %d of commits that looked failed, %d commits came second; %d PUTs of files landed without an answer, %d came late and found their names taken; %d drains with records under way, %d records abandoned, %d outputs beyond the log's end; %d processes started, %d crashed, %d paused, %d ended with an error",
		c.Records, c.Files, c.Barred, c.NamesLost, c.Transactions, c.Stored, c.Snapshots, c.Unclear, c.Outrun, c.Unheard, c.Belated, c.Drains, c.Abandoned, c.Beyond, c.Starts, c.Crashes, c.Pauses, c.Faults)
}

// Add adds another's counts.
func (c *Coverage) Add(o Coverage) {
	c.Records += o.Records
	c.Files += o.Files
	c.Barred += o.Barred
	c.NamesLost += o.NamesLost
	c.Transactions += o.Transactions
	c.Snapshots += o.Snapshots
	c.Unclear += o.Unclear
	c.Outrun += o.Outrun
	c.Stored += o.Stored
	c.Unheard += o.Unheard
	c.Belated += o.Belated
	c.Drains += o.Drains
	c.Abandoned += o.Abandoned
	c.Beyond += o.Beyond
	c.Crashes += o.Crashes
	c.Faults += o.Faults
	c.Pauses += o.Pauses
	c.Starts += o.Starts
}

// Result is what came of one plan.
type Result struct {
	Seed     uint64
	Err      error  // nil: every invariant held
	Hash     string // of everything that happened at the seams
	Virtual  time.Duration
	Settled  time.Duration // when everything was committed
	Ends     []string      // what the workers that did not end in order said
	Coverage Coverage
	Meter    *Meter // of what was done and asked for, second by second
	Trace    func(io.Writer)

	Disturbed bool // real time may have had a say in the schedule, and another run may go another way
}

// run plays a plan in a bubble of virtual time. logs, which may be nil, gets the workers' own logs; disturbed is asked at the end.
func run(t *testing.T, plan *Plan, logs io.Writer, disturbed func() bool) (res Result) {
	res = Result{Seed: plan.Seed, Trace: func(io.Writer) {}}
	var w *world
	defer func() {
		if p := recover(); p != nil { // goroutines that nothing can wake any more
			res.Err = fmt.Errorf("%v", p)
			if err := w.oracle.verdict(); err != nil {
				res.Err = fmt.Errorf("%w\n  %w", err, res.Err)
			}
			res.Disturbed = disturbed()
			res.Trace, res.Hash = w.tr.print, w.tr.hash()
		}
	}()
	synctest.Test(t, func(*testing.T) {
		// A panic in a goroutine ends the process, and its trace is all that is left: it says what plays the world again (see NewStage).
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("reproduce", plan.command)))
		var err error
		if w, err = newWorld(plan, logs); err != nil {
			res.Err = err
			return
		}
		w.play()
		res.Disturbed = disturbed()
		res.Err, res.Hash, res.Virtual = w.oracle.verdict(), w.tr.hash(), w.now()
		res.Coverage, res.Ends, res.Settled, res.Trace = w.mu.coverage, w.mu.ends, w.mu.settled, w.tr.print
		res.Meter = w.meter
		if res.Err == nil && plan.judge != nil && plan.Source != Kafka {
			res.Err = plan.judge(&res)
		}
	})
	return res
}

func newWorld(plan *Plan, logs io.Writer) (*world, error) {
	w := &world{plan: plan, d: draws{plan.Seed}, start: time.Now(), log: newLog(plan), cloud: newCloud(), db: newDatabase(), lake: &catalog{}, logs: logs}
	w.tr, w.meter = newTrace(w.start), newMeter(w.start)
	w.oracle = newOracle(w)
	w.cloud.landed, w.cloud.barred = w.oracle.landed, func(name string) {
		if strings.HasSuffix(name, ".parquet") {
			w.oracle.barred(name)
			w.count(func(c *Coverage) { c.Barred++ })
		}
	}
	w.db.landed = func(r schemas.Range, _ []schemas.Row) {
		w.oracle.stored(r)
		w.count(func(c *Coverage) { c.Transactions++ })
	}
	w.lake.landed = func(s icebergsink.Snapshot, d icebergsink.Delta) {
		w.oracle.snapshot(s, d)
		w.count(func(c *Coverage) { c.Snapshots++ })
	}
	for i := range 4 {
		w.slots = append(w.slots, &slot{number: i})
		w.slots[i].want(i < plan.Workers)
	}
	if plan.Source != Kafka {
		w.group = newGroup(w)
		return w, nil
	}
	b, err := newKafkaBroker(w)
	if err != nil {
		return nil, fmt.Errorf("starting the in-process Kafka: %w", err)
	}
	w.group = b
	return w, nil
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// commitFaults is the chance that the broker does not get a request, or the member its answer.
func (w *world) commitFaults() float64 {
	if w.now() >= w.plan.Calm {
		return 0
	}
	return w.plan.Faults.Commit
}

// latency is the way of a request to the broker and back.
func (w *world) latency(r *rand.Rand) time.Duration {
	most := w.plan.Faults.Slow
	if w.now() >= w.plan.Calm {
		most = min(most, 20*time.Millisecond)
	}
	return span(r, 100*time.Microsecond, most)
}

func (w *world) count(f func(*Coverage)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.mu.coverage)
}

// required are the names of the outputs that count, spare is the one that may fail.
func (w *world) required() []string {
	all := []string{"a", "b", "c"}[:w.plan.Outputs]
	if w.plan.Table {
		all[len(all)-1] = table
	} else if w.plan.Lake {
		all[len(all)-1] = lake
	}
	return all
}

const spare = "spare"

func (w *world) bestEffort() []string {
	if w.plan.BestEffort {
		return []string{spare}
	}
	return nil
}

func (w *world) brokerDown() bool {
	w.mu.Lock()
	down := w.mu.suspended > 0
	w.mu.Unlock()
	return down || w.out(BrokerDown)
}

// out says whether an outage lasts.
func (w *world) out(what Outage) bool {
	now := w.now()
	return slices.ContainsFunc(w.plan.Faults.Windows, func(o Window) bool { return o.What == what && now >= o.From && now < o.To })
}

// losesInputs says whether retries of a fetch may be used up in this world.
func (p *Plan) losesInputs() bool {
	f := &p.Faults
	return f.SlowDown+f.Reset+f.Hang+f.Truncate+f.Corrupt > 0 || f.Slow > 500*time.Millisecond ||
		slices.ContainsFunc(f.Windows, func(w Window) bool { return w.What == InputsDown })
}

func (w *world) logger(name string) *slog.Logger {
	if w.logs == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})).With("process", name)
}

// patience is how long a world may take once nothing goes wrong any more: late landings, time-outs, drains and back-offs are all far shorter.
const patience = 10 * time.Minute

// linger is how long after the world's end its last goroutine may end.
const linger = 10 * time.Minute

// play lives through the plan and judges.
func (w *world) play() {
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.group.run(ctx) })
	for _, s := range w.plan.Steps {
		wg.Go(func() { w.perform(ctx, s) })
	}
	for !w.group.finished() || w.now() < w.plan.Calm {
		if w.now() > w.plan.Calm+patience {
			w.oracle.offend("nothing moves any more: %s", w.group.where())
			break
		}
		w.settle()
		if w.plan.Source == Kafka && w.now() > w.plan.Calm+livelock {
			w.thin()
		}
		w.tend()
		time.Sleep(101*time.Millisecond + 13)
	}
	w.settle()
	end()
	wg.Wait()
	for _, s := range w.slots {
		if p := s.process(); p != nil {
			p.thaw()
			p.stop()
		}
	}
	time.Sleep(time.Minute) // what is late lands, and who drains ends
	for _, s := range w.slots {
		if p := s.process(); p != nil && !p.over() {
			w.oracle.offend("%s does not end", p.name)
			p.crash("the world ends")
		}
	}
	time.AfterFunc(linger, func() { // nothing can stop them, and virtual time would run for ever
		panic(fmt.Sprintf("seed %d: goroutines still run %v after the end of the world; before: %v\nreproduce: %s", w.plan.Seed, linger, w.oracle.verdict(), w.plan.command))
	})
	w.wg.Wait()
	if b, ok := w.group.(*kafkaBroker); ok {
		w.oracle.judgeTopic(context.Background(), b)
	}
	w.group.close()
	w.oracle.judge(context.Background())
}

// settle notes when everything was committed.
func (w *world) settle() {
	if w.mu.settled == 0 && w.group.finished() {
		w.mu.settled = w.now()
	}
}

// over says whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
