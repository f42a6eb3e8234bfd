package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

// TestWhatAWorkerHasLearntIsKnownAtTheNextStart runs batches of one item.
func TestWhatAWorkerHasLearntIsKnownAtTheNextStart(t *testing.T) {
	l := newLake(t, learntFrom)
	l.conf.Pipelines[0].Batch.MaxItems = 1
	l.plan(t, "all", PlanOptions{})
	w := l.open(t, "all")
	if c := w.Stats()[0].Embed.Devices[0].Costs; c != (embed.Costs{}) {
		t.Errorf("at the first start %+v is known", c)
	}
	if err := w.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	learnt, key := w.Stats()[0].Embed, w.lines[0].model.key
	kept, ok := measured(w.cache).Costs[key]
	if !ok || !kept.Sound() || kept.Costs != learnt.Devices[0].Costs || kept.Batches != learnt.Batches || kept.Batches < learntFrom || time.Since(kept.At) > time.Hour {
		t.Fatalf("kept %+v (%v) of %+v in %d batches", kept, ok, learnt.Devices, learnt.Batches)
	}
	if kept.Decoders != learnt.Decoders || kept.Decoders < 1 {
		t.Errorf("%d decoders are kept of %d", kept.Decoders, learnt.Decoders)
	}
	next := l.open(t, "all")
	if c := next.Stats()[0].Embed.Devices[0].Costs; c != kept.Costs {
		t.Errorf("the next start knows %+v, kept was %+v", c, kept.Costs)
	}
	if err := next.Run(t.Context()); err != nil { // with nothing left to compute
		t.Fatal(err)
	}
	if again := measured(w.cache).Costs[key]; again != kept {
		t.Errorf("a worker that ran %d batches changed what is kept to %+v", next.Stats()[0].Embed.Batches, again)
	}
	if err := keepMeasured(w.cache, func(all *measurements) {
		one := all.Costs[key]
		one.Decoders = 1
		all.Costs[key] = one
	}); err != nil {
		t.Fatal(err)
	}
	for workers, want := range map[int]int{0: 1, 3: 3} { // as kept, and as configured
		l.conf.Pipelines[0].Preprocessors = workers
		next := l.open(t, "all")
		if got := next.Stats()[0].Embed.Decoders; got != want {
			t.Errorf("with preprocessors %d, and one kept, %d decode at the start, want %d", workers, got, want)
		}
		if err := next.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.cache = t.TempDir()
	w.keepCosts([]error{errors.New("broken")})
	if all := measured(w.cache); len(all.Costs) > 0 {
		t.Errorf("a pipeline that failed keeps %+v", all.Costs)
	}
	w.keepCosts([]error{nil})
	if all := measured(w.cache); all.Costs[key].Costs != kept.Costs {
		t.Errorf("one that did not keeps %+v", all.Costs)
	}
}

// TestABoundOfBytesCutsTheBatchesOfAWorker keeps bytes by which two items are too many, and with nothing kept says that the bound is none.
func TestABoundOfBytesCutsTheBatchesOfAWorker(t *testing.T) {
	const texts = 12
	l := newLake(t, texts)
	p := &l.conf.Pipelines[0]
	p.Batch.MaxBytes, p.Batch.Linger = 1500, config.Duration(50*time.Millisecond)
	l.plan(t, "all", PlanOptions{})
	m := load(t, l.conf, p)
	m.recall(l.conf, p)
	for _, known := range []bool{false, true} {
		if known {
			if err := keepMeasured(l.conf.Runtime.CacheDir, func(all *measurements) {
				all.Bytes[m.key] = measurement{Costs: embed.Costs{Fixed: 1000, Step: 100}}
			}); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		list, err := OpenPlan(t.Context(), l.conf, filepath.Join(l.out, "all"))
		if err != nil {
			t.Fatal(err)
		}
		p.Topics = []string{"manifest:all"}
		w, err := Open(t.Context(), l.conf, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Source: PlanSource(list, ReadOptions{}), Plan: list.Plan()})
		if err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "batch.max_bytes bounds nothing"); warned == known {
			t.Errorf("known %v, warned %v", known, warned)
		}
		if !known {
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := w.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := w.Stats()[0].Embed; s.Samples != texts || s.Batches != texts {
			t.Errorf("%d samples in %d batches, want each alone", s.Samples, s.Batches)
		}
	}
}

// TestCostsAreKeptByWhatDecidesThem changes one thing after the other: none of them takes what was kept of another.
func TestCostsAreKeptByWhatDecidesThem(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	text := classCase{"Data2VecTextForSequenceClassification", "Data2VecTextForSequenceClassification/base"}.checkpoint(t)
	const heads = "    heads: [{task: embedding}]"
	base, _ := pipelineFor(t, text, heads)
	key := func(name string, dir, settings string, change func(*config.Pipeline)) string {
		c, p := pipelineFor(t, dir, settings)
		c.Runtime.CacheDir = base.Runtime.CacheDir
		if change != nil {
			change(p)
		}
		m := load(t, c, p)
		m.recall(c, p)
		if m.key == "" {
			t.Fatalf("%s: no key", name)
		}
		return m.key
	}
	first := key("the first", text, heads, nil)
	if again := key("the same", text, heads, nil); again != first {
		t.Errorf("the same is another: %s and %s", first, again)
	}
	if err := keepMeasured(base.Runtime.CacheDir, func(all *measurements) {
		all.Costs[first] = measurement{Costs: embed.Costs{Fixed: 1, Step: 1, Square: 1}}
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir, settings string
		change              func(*config.Pipeline)
	}{
		{"another model", classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), heads, nil},
		{"another precision", text, heads, func(p *config.Pipeline) { p.Model.Precision = "int8" }},
		{"packing", text, heads, func(p *config.Pipeline) { p.Batch.Packing = true }},
		{"more threads", text, heads, func(p *config.Pipeline) { p.Model.Threads = 2 }},
		{"more sessions", text, heads, func(p *config.Pipeline) { p.Model.Sessions = 2 }},
		{"more callers", text, heads, func(p *config.Pipeline) { p.Model.Callers = 2 }},
		{"other outputs", text, "    heads: [{task: classification}]", nil},
	} {
		conf, p := pipelineFor(t, c.dir, c.settings)
		conf.Runtime.CacheDir = base.Runtime.CacheDir
		if c.change != nil {
			c.change(p)
		}
		m := load(t, conf, p)
		if m.recall(conf, p); m.key == "" || m.key == first || m.costs != (measurement{}) {
			t.Errorf("%s: key %q knows %+v", c.name, m.key, m.costs)
		}
	}
	runtime.GOMAXPROCS(3)
	if other := key("more cores", text, heads, nil); other == first {
		t.Error("a machine with more cores has the same key")
	}
}

// TestAnotherFormOfAGraphHasCostsOfItsOwn takes a recording whole, which gives the same numbers, and has the same digest.
func TestAnotherFormOfAGraphHasCostsOfItsOwn(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecAudioModel", "Data2VecAudioModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	m := load(t, c, p)
	m.recall(c, p)
	pieces := m.key
	whole, err := m.spec.Compile(t.Context(), c.Runtime.CacheDir, model.CompileOptions{Precision: m.precision, Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := whole.Digest(t.Context())
	if err != nil || digest != m.digest {
		t.Fatalf("digest %s (%v), want %s", digest, err, m.digest)
	}
	m.graph = whole
	if m.recall(c, p); m.key == "" || m.key == pieces {
		t.Errorf("key %q, and of pieces %q", m.key, pieces)
	}
}

func TestGPUsAreKnownByTheirNames(t *testing.T) {
	gpu := func(name string) *fstest.MapFile {
		return &fstest.MapFile{Data: fmt.Appendf(nil, "Model: \t\t %s\nIRQ:   \t\t 170\nGPU UUID: \t GPU-1\nBus Location: \t 0000:01:00.0\n", name)}
	}
	const at, file = "proc/driver/nvidia/gpus/", "/information"
	p := &config.Pipeline{}
	p.Model.Provider = "cuda"
	for _, c := range []struct {
		name    string
		machine fstest.MapFS
		want    string
	}{
		{"two of a kind", fstest.MapFS{at + "0000:01:00.0" + file: gpu("NVIDIA L4"), at + "0000:02:00.0" + file: gpu("NVIDIA L4")}, "NVIDIA L4"},
		{"of two kinds, either may be meant", fstest.MapFS{at + "0000:01:00.0" + file: gpu("NVIDIA L40S"), at + "0000:02:00.0" + file: gpu("NVIDIA A10")}, "NVIDIA A10 and NVIDIA L40S"},
		{"a driver that does not tell", fstest.MapFS{at + "0000:01:00.0" + file: {Data: []byte("IRQ: 170\n")}}, ""},
		{"no driver", fstest.MapFS{}, ""},
	} {
		if got := deviceName(p, c.machine); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		m := &loadedModel{digest: "d", graph: &model.Graph{}, devices: []ortsession.Options{{Threads: 1}}, sessions: make([]embed.Session, 1)}
		if key := m.batchKey("", p, c.machine); (key == "") != (c.want == "") || !strings.Contains(key, c.want) {
			t.Errorf("%s: key %q", c.name, key)
		}
	}
}

// TestADamagedFileOfMeasurementsSaysNothing also says that it stops nothing: the next that is kept replaces it.
func TestADamagedFileOfMeasurementsSaysNothing(t *testing.T) {
	c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]")
	m := load(t, c, p)
	m.recall(c, p)
	file := filepath.Join(c.Runtime.CacheDir, measuredFile)
	for name, text := range map[string]string{
		"cut off":            `{"costs": {"a`,
		"empty":              ``,
		"of another form":    `[1, 2]`,
		"words for numbers":  fmt.Sprintf(`{"costs": {%q: {"fixed": "much"}}}`, m.key),
		"less for more work": fmt.Sprintf(`{"costs": {%q: {"fixed": 1, "step": -1, "square": 1}}, "bytes": {%q: {"fixed": -1}}}`, m.key, m.key),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.recall(c, p)
		e, err := newEngine(p, m, nil, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if known := e.Stats().Devices[0].Costs; known != (embed.Costs{}) {
			t.Errorf("%s: %+v is known", name, known)
		}
		want := measurement{Costs: embed.Costs{Fixed: 1, Step: 2, Square: 3}, Batches: 40, At: time.Unix(1e9, 0).UTC()}
		if err := keepMeasured(c.Runtime.CacheDir, func(all *measurements) { all.Costs[m.key] = want }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if m.recall(c, p); m.costs != want {
			t.Errorf("%s: afterwards %+v", name, m.costs)
		}
	}
}

// TestWhatCannotBeKeptStopsNothing has a directory where the file would be.
func TestWhatCannotBeKeptStopsNothing(t *testing.T) {
	cache := t.TempDir()
	if err := os.MkdirAll(filepath.Join(cache, measuredFile, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := keepMeasured(cache, func(*measurements) {}); err == nil {
		t.Error("no error")
	}
	if left, err := filepath.Glob(filepath.Join(cache, ".building-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// TestWhatCannotBeLockedIsKeptAllTheSame has a directory where the lock would be, as others have file systems without locks.
func TestWhatCannotBeLockedIsKeptAllTheSame(t *testing.T) {
	cache := t.TempDir()
	if err := os.Mkdir(filepath.Join(cache, measuredFile+".lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := keepMeasured(cache, func(all *measurements) { all.Costs[key] = measurement{Batches: 40} }); err != nil {
			t.Error(err)
		}
	}
	if all := measured(cache); len(all.Costs) != 2 {
		t.Errorf("kept are %+v", all.Costs)
	}
}

// TestWhatCannotBeReadIsNotReplaced has a link that leads in a circle, of which a rename would make a file.
func TestWhatCannotBeReadIsNotReplaced(t *testing.T) {
	cache := t.TempDir()
	file := filepath.Join(cache, measuredFile)
	if err := os.Symlink(measuredFile, file); err != nil {
		t.Fatal(err)
	}
	if err := keepMeasured(cache, func(*measurements) {}); err == nil {
		t.Error("no error")
	}
	if to, err := os.Readlink(file); err != nil || to != measuredFile {
		t.Errorf("it was replaced: %q, %v", to, err)
	}
}

// TestWritersAtOnceTearNothing reads while others write: what is read is always a whole file, and at the end all of theirs is in it. Who waits too long for the others, as
// on a busy machine, is told so, and nothing of it is kept: here it is written again.
func TestWritersAtOnceTearNothing(t *testing.T) {
	cache := t.TempDir()
	long := strings.Repeat("x", 5000)
	var writers sync.WaitGroup
	ended := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for j := range 25 {
				err := error(syscall.EWOULDBLOCK)
				for errors.Is(err, syscall.EWOULDBLOCK) {
					err = keepMeasured(cache, func(all *measurements) {
						all.Costs[fmt.Sprint(i, j, long)] = measurement{Batches: 40, At: time.Unix(int64(j), 0)}
					})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); close(ended) }()
	for reads := 0; ; {
		b, err := os.ReadFile(filepath.Join(cache, measuredFile))
		var all measurements
		switch {
		case errors.Is(err, os.ErrNotExist) && reads == 0:
		case err != nil:
			t.Fatal(err)
		default:
			reads++
			if err := json.Unmarshal(b, &all); err != nil || len(all.Costs) == 0 {
				t.Fatalf("%d bytes: %v", len(b), err)
			}
		}
		select {
		case <-ended:
			if left, err := filepath.Glob(filepath.Join(cache, ".building-*")); err != nil || len(left) > 0 {
				t.Errorf("%v is left (%v)", left, err)
			}
			if all := measured(cache); len(all.Costs) != 100 {
				t.Errorf("%d of 100 are kept: one writer's were lost to another's", len(all.Costs))
			}
			return
		default:
		}
	}
}

func TestTheOldestMeasurementsMakeRoom(t *testing.T) {
	cache := t.TempDir()
	if err := keepMeasured(cache, func(all *measurements) {
		for i := range measuredMost + 10 {
			all.Costs[fmt.Sprint(i)], all.Bytes[fmt.Sprint(i)] = measurement{At: time.Unix(int64(i), 0)}, measurement{At: time.Unix(int64(-i), 0)}
		}
		for i := range measuredMost + 10 {
			all.Sessions[fmt.Sprint(i)] = splits{Chosen: split{Sessions: 2}, At: time.Unix(int64(i), 0)}
		}
	}); err != nil {
		t.Fatal(err)
	}
	all := measured(cache)
	_, first := all.Costs["9"]
	_, last := all.Costs["10"]
	_, other := all.Bytes["9"]
	_, old := all.Sessions["9"]
	if len(all.Costs) != measuredMost || len(all.Bytes) != measuredMost || first || !last || !other || old || len(all.Sessions) != measuredMost || all.Sessions["10"].Chosen.Sessions != 2 {
		t.Errorf("%d costs (%v, %v), %d bytes (%v), %d sessions (%v)", len(all.Costs), first, last, len(all.Bytes), other, len(all.Sessions), old)
	}
}
