package stream_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
	"vecmill/stream/streamtest"
)

// world is a log, a store and a dead-letter box that outlive the workers.
type world struct {
	t     *testing.T
	seed  uint64
	log   *streamtest.Log
	kinds map[[2]int64]streamtest.Kind
	store *sinktest.MemStore
	box   *streamtest.LetterBox
	rows  *rowStore // a second output, at least once; nil: there is none
	wg    sync.WaitGroup
}

func newWorld(t *testing.T, seed uint64, parts, records int) *world {
	w := &world{t: t, seed: seed, log: streamtest.NewLog("refs", parts), kinds: map[[2]int64]streamtest.Kind{}, store: sinktest.NewMemStore(), box: &streamtest.LetterBox{}}
	r := rand.New(rand.NewPCG(seed, 17))
	for p := range parts {
		offset := int64(0)
		for range records {
			if r.IntN(15) == 0 {
				offset += int64(1 + r.IntN(3)) // compacted, or a control record
			}
			k := streamtest.Draw(r)
			w.kinds[[2]int64{int64(p), offset}] = k
			w.log.Append(p, offset, k.Value(p, offset))
			offset++
		}
	}
	return w
}

// worker is one process in the world.
type worker struct {
	*streamtest.Process
	name string
	stop context.CancelFunc // SIGTERM
	done chan struct{}
	err  error
	pipe *stream.Pipeline
}

// ended says whether the worker has stopped by itself.
func (wk *worker) ended() bool {
	select {
	case <-wk.done:
		return true
	default:
		return false
	}
}

// start runs a worker that crashes at its effect number crashAt (0: never).
func (w *world) start(name string, crashAt int) *worker {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	wk := &worker{name: name, stop: stop, done: make(chan struct{})}
	wk.Process = streamtest.NewProcess(w.seed, crashAt, func() { w.log.Leave(name); stop() })
	engine, err := streamtest.NewEngine(3 * time.Millisecond)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := parquetsink.NewDefaultConfig()
	cfg.Store, cfg.Prefix, cfg.Tasks = wk.Store(w.store), "out", []schemas.Task{schemas.TaskEmbedding}
	cfg.Compression = parquetsink.None // the zstd codec shares goroutines between bubbles
	cfg.RollRows, cfg.RollAge = 9, 40*time.Millisecond
	cfg.Retry.Base, cfg.Retry.Max = time.Millisecond, 5*time.Millisecond
	chain, err := parquetsink.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	sink := sinks.Sink(chain)
	if w.rows != nil {
		sink = w.beside(wk.Process, chain)
	}
	wk.pipe, err = stream.New(stream.Config{
		Name: "p", Modality: schemas.Text, Elsewhere: func(c stream.Candidate) bool { return c.Ref.Modality == schemas.Audio },
		MaxInFlight: 24, Fetchers: 4, Budget: 4000, CommitInterval: 15 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}, wk.Source(w.log.Join(name)), streamtest.NewFetcher(w.seed, 6*time.Millisecond), engine, sink, wk.Letters(w.box))
	if err != nil {
		w.t.Fatal(err)
	}
	w.wg.Go(func() {
		ectx, end := context.WithCancel(context.Background())
		var engines sync.WaitGroup
		engines.Go(func() { engine.Run(ectx) })
		wk.err = wk.pipe.Run(ctx)
		end()
		engines.Wait()
		if wk.Crashed() {
			for p := range w.log.Partitions() {
				sink.Forget(w.source(p)) // its memory is gone
			}
		}
		closing, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = sink.Close(closing)
		cancel()
		close(wk.done)
	})
	return wk
}

func (w *world) source(p int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "p", Topic: "refs", Partition: p}
}

// finished says whether the chains cover the whole log.
func (w *world) finished() bool {
	for _, p := range w.log.Partitions() {
		if w.log.Committed(p) != w.log.End(p) {
			return false
		}
	}
	return true
}

// settle waits until everything is committed.
func (w *world) settle(workers ...*worker) {
	w.t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !w.finished(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			var at []string
			for _, p := range w.log.Partitions() {
				at = append(at, fmt.Sprintf("%d of %d", w.log.Committed(p), w.log.End(p)))
			}
			for _, wk := range workers {
				at = append(at, fmt.Sprintf("%s: ended=%t %v %+v", wk.name, wk.ended(), wk.err, wk.pipe.Stats()))
			}
			w.t.Fatalf("seed %d: nothing moves any more:\n%s", w.seed, strings.Join(at, "\n"))
		}
	}
}

// check asks the oracle.
func (w *world) check() {
	w.t.Helper()
	if err := w.log.Err(); err != nil {
		w.t.Fatalf("seed %d: %v", w.seed, err)
	}
	for _, p := range w.log.Partitions() {
		out, err := readChain(w.store, w.source(p))
		if err != nil {
			w.t.Fatalf("seed %d: %v", w.seed, err)
		}
		kind := func(o int64) streamtest.Kind { return w.kinds[[2]int64{int64(p), o}] }
		if err := streamtest.Check(w.source(p), w.log.Records(p), kind, out, w.box); err != nil {
			w.t.Fatalf("seed %d: %v", w.seed, err)
		}
	}
}

func readChain(st objectstore.Store, src schemas.SourceID) (out streamtest.Output, err error) {
	files, err := parquetsink.Chain(context.Background(), st, "out", src, 0)
	if err != nil {
		return out, err
	}
	for _, f := range files {
		out.Ranges = append(out.Ranges, f.Range)
		rows, err := parquetsink.ReadRows(context.Background(), st, f.Name)
		if err != nil {
			return out, err
		}
		out.Rows = append(out.Rows, rows...)
	}
	return out, nil
}

func TestAWorkerTakesALogToTheSinkExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 3, 80)
		wk := w.start("a", 0)
		w.log.Rebalance()
		w.settle(wk)
		wk.stop()
		w.wg.Wait()
		if wk.err != nil {
			t.Fatal(wk.err)
		}
		w.check()
		if s := wk.pipe.Stats(); s.PeakHeld > s.Budget || s.InFlight != 24 || s.Held != 0 {
			t.Fatalf("afterwards: %+v", s) // Run has taken every slot, which proves that every record gave its own back
		}
	})
}

// TestACrashAtAnyEffectLosesAndRepeatsNothing kills the process at effect 1, 2, 3 ... (PUTs, dead letters, commits; each may have landed or not),
// starts another, and asks the oracle. More than fifty points over several seeds.
func TestACrashAtAnyEffectLosesAndRepeatsNothing(t *testing.T) {
	crashes := 0
	for seed := range uint64(6) {
		for at := 1; ; at++ {
			crashed := false
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, 2, 40)
				wk := w.start("a", at)
				w.log.Rebalance()
				for !wk.Crashed() && !w.finished() {
					time.Sleep(time.Millisecond)
				}
				if crashed = wk.Crashed(); crashed {
					<-wk.done
					wk = w.start("b", 0)
					w.log.Rebalance()
					w.settle(wk)
				}
				wk.stop()
				w.wg.Wait()
				if wk.err != nil {
					t.Fatalf("seed %d, crash at effect %d: %v", seed, at, wk.err)
				}
				w.check()
			})
			if !crashed || t.Failed() {
				break
			}
			crashes++
		}
	}
	t.Logf("%d crashes", crashes)
	if crashes < 50 {
		t.Fatalf("only %d crash points", crashes)
	}
}

// TestRebalancesAndZombiesLoseAndRepeatNothing lets workers come, go, crash and be cut off from the group while they go on writing: what a
// paused process does when it wakes.
func TestRebalancesAndZombiesLoseAndRepeatNothing(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, 4, 60)
			r := rand.New(rand.NewPCG(seed, 19))
			workers := []*worker{w.start("w0", 0)}
			var zombies []*worker
			members := map[string]*streamtest.Member{}
			w.log.Rebalance()
			for i := 1; i < 7; i++ {
				time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
				switch r.IntN(4) {
				case 0:
					workers = append(workers, w.start(fmt.Sprintf("w%d", i), 0))
				case 1:
					if len(workers) > 1 {
						workers[0].Kill()
						workers = workers[1:]
					}
				case 2:
					if len(workers) > 1 { // out of the group, and does not know
						members[workers[0].name] = w.log.Member(workers[0].name)
						w.log.Leave(workers[0].name)
						zombies = append(zombies, workers[0])
						workers = workers[1:]
					}
				}
				w.log.Rebalance()
			}
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			for _, z := range zombies {
				members[z.name].Lose()
			}
			w.settle(workers...)
			for _, wk := range append(workers, zombies...) {
				wk.stop()
			}
			w.wg.Wait()
			for _, wk := range workers {
				if wk.err != nil {
					t.Fatalf("seed %d: %s: %v", seed, wk.name, wk.err)
				}
			}
			w.check()
		})
		if t.Failed() {
			return
		}
	}
}
