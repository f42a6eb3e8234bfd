package wire

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
	"vecmill/schemas"
)

// TestBatchesOfOneThreadAreSmaller but for recordings, on GPUs, of packed rows, and where the configuration says how large they are.
func TestBatchesOfOneThreadAreSmaller(t *testing.T) {
	for _, c := range []struct {
		name     string
		modality schemas.Modality
		threads  int
		set      func(*config.Pipeline)
		cost     int
		items    int
	}{
		{"text", schemas.Text, 1, nil, 256, 64},
		{"text, two threads", schemas.Text, 2, nil, 512, 64},
		{"pictures", schemas.Image, 1, nil, 400, 2},
		{"pictures, two threads", schemas.Image, 2, nil, 1600, 8},
		{"recordings", schemas.Audio, 1, nil, 400, 8},
		{"a GPU", schemas.Image, 1, func(p *config.Pipeline) { p.Model.Provider = "cuda" }, 1600, 8},
		{"packed rows", schemas.Text, 1, func(p *config.Pipeline) { p.Batch.Packing = true }, 512, 64},
		{"as configured", schemas.Image, 1, func(p *config.Pipeline) { p.Batch.MaxCost, p.Batch.MaxItems = 900, 3 }, 900, 3},
	} {
		p := config.NewDefaultPipeline()
		if c.set != nil {
			c.set(&p)
		}
		if b := batchConfig(&p, c.modality, c.threads); b.MaxCost != c.cost || b.MaxItems != c.items || b.Validate() != nil {
			t.Errorf("%s: %+v, want a cost of %d and %d items", c.name, b, c.cost, c.items)
		}
	}
}

// TestPicturesWaitForEachThatComputes but where the configuration says how many.
func TestPicturesWaitForEachThatComputes(t *testing.T) {
	for _, c := range []struct {
		modality                           schemas.Modality
		sessions, threads, callers, window int
		want                               int
	}{
		{schemas.Image, 1, 1, 1, 0, 8},
		{schemas.Image, 1, 1, 4, 0, 16},
		{schemas.Image, 2, 1, 8, 0, 64},
		{schemas.Image, 4, 2, 1, 0, 64},
		{schemas.Image, 1, 1, 8, 12, 12},
		{schemas.Text, 1, 1, 16, 0, 512},
		{schemas.Audio, 1, 1, 16, 0, 64},
	} {
		m := &loadedModel{spec: &model.Spec{Modality: c.modality}, sessions: make([]embed.Session, c.sessions), division: split{Sessions: c.sessions, Threads: c.threads, Callers: c.callers}}
		p := config.NewDefaultPipeline()
		p.Batch.Window = c.window
		if b := m.batch(&p); b.Window != c.want {
			t.Errorf("%+v: %d may wait", c, b.Window)
		}
	}
}

func TestMoreSessionsMustBeWorthTheirMemory(t *testing.T) {
	type worth struct{ rate, cpu float64 }
	way := func(sessions, threads, callers int) split {
		return split{Sessions: sessions, Threads: threads, Callers: callers}
	}
	for _, c := range []struct {
		name  string
		cores int
		worth map[split]worth
		want  split
		tried []split
	}{
		{"one core has nothing to divide", 1, nil, way(1, 1, 1), nil},
		{
			"callers that take no more, and sessions that are a little faster, which is not enough", 8,
			map[split]worth{way(1, 8, 1): {100, 1}, way(1, 1, 8): {98, 1}, way(2, 4, 1): {107, 1}},
			way(1, 1, 8),
			[]split{way(1, 8, 1), way(1, 1, 8), way(1, 1, 8), way(2, 4, 1)},
		},
		{
			"callers that are slower by the clock", 2,
			map[split]worth{way(1, 2, 1): {100, 1}, way(1, 1, 2): {96, 0.8}, way(2, 1, 1): {100, 1}},
			way(1, 2, 1),
			[]split{way(1, 2, 1), way(1, 1, 2), way(1, 2, 1), way(2, 1, 1)},
		},
		{
			"callers that take more of the processor", 2,
			map[split]worth{way(1, 2, 1): {100, 1}, way(1, 1, 2): {120, 1.04}, way(2, 1, 1): {100, 1}},
			way(1, 2, 1),
			[]split{way(1, 2, 1), way(1, 1, 2), way(1, 2, 1), way(2, 1, 1)},
		},
		{
			"two sessions are worth it, four are not", 8,
			map[split]worth{way(1, 8, 1): {100, 1}, way(1, 1, 8): {90, 1}, way(2, 4, 1): {120, 1}, way(4, 2, 1): {125, 1}},
			way(2, 4, 1),
			[]split{way(1, 8, 1), way(1, 1, 8), way(1, 8, 1), way(2, 4, 1), way(2, 4, 1), way(4, 2, 1)},
		},
		{
			"too many cores for callers", 9,
			map[split]worth{way(1, 9, 1): {100, 1}, way(1, 1, 9): {300, 1}, way(2, 4, 1): {105, 1}},
			way(1, 9, 1),
			[]split{way(1, 9, 1), way(2, 4, 1)},
		},
		{
			"as many sessions as there are cores", 4,
			map[split]worth{way(1, 4, 1): {100, 1}, way(1, 1, 4): {100, 1}, way(2, 2, 1): {120, 1}, way(4, 1, 1): {150, 1}},
			way(4, 1, 1),
			[]split{way(1, 4, 1), way(1, 1, 4), way(1, 1, 4), way(2, 2, 1), way(2, 2, 1), way(4, 1, 1)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tried []split
			s, err := choose(c.cores, func(a, b split) (split, split, error) {
				for _, w := range []*split{&a, &b} {
					key := way(w.Sessions, w.Threads, w.Callers)
					tried = append(tried, key)
					w.Rate, w.CPU = c.worth[key].rate, c.worth[key].cpu
				}
				return a, b, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !s.Chosen.is(c.want) || !slices.Equal(tried, c.tried) || len(s.Tried) != len(tried) || s.Chosen.Rate != c.worth[c.want].rate {
				t.Errorf("chosen %+v of %v, want %+v of %v", s.Chosen, tried, c.want, c.tried)
			}
		})
	}
}

// TestWhatWasMeasuredBeforeTheTimeWasOverCounts has a model whose batches take so long that sessions are not come to.
func TestWhatWasMeasuredBeforeTheTimeWasOverCounts(t *testing.T) {
	s, err := choose(4, func(a, b split) (split, split, error) {
		if b.Sessions > 1 {
			return a, b, fmt.Errorf("computing: %w", context.DeadlineExceeded)
		}
		a.Rate, a.CPU, b.Rate, b.CPU = 100, 1, 120, 0.9
		return a, b, nil
	})
	if err != nil || !s.Chosen.is(allCallers(4)) {
		t.Errorf("chosen %+v, %v", s.Chosen, err)
	}
	if _, err := choose(4, func(a, b split) (split, split, error) { return a, b, context.DeadlineExceeded }); err == nil {
		t.Error("nothing was measured, and that is no error")
	}
}

// TestTheCoresAreDividedAsConfiguredOrByTheirNumber is of a cache that knows nothing.
func TestTheCoresAreDividedAsConfiguredOrByTheirNumber(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		name  string
		cores int
		model config.Model
		batch config.Batch
		want  split
		why   string
	}{
		{"a core for each of as many batches", 4, config.Model{}, config.Batch{}, split{Sessions: 1, Threads: 1, Callers: 4}, "not measured"},
		{"many cores", 5, config.Model{}, config.Batch{}, split{Sessions: 1, Threads: 5, Callers: 1}, "not measured"},
		{"one core", 1, config.Model{}, config.Batch{}, split{Sessions: 1, Threads: 1, Callers: 1}, "not measured"},
		{"somebody waits for each batch", 4, config.Model{}, config.Batch{Latency: config.Duration(time.Second)}, split{Sessions: 1, Threads: 4, Callers: 1}, "batch.latency"},
		{"threads", 4, config.Model{Threads: 3}, config.Batch{}, split{Sessions: 1, Threads: 3, Callers: 1}, "threads are configured"},
		{"sessions", 4, config.Model{Sessions: 2}, config.Batch{}, split{Sessions: 2, Threads: 2, Callers: 1}, "configured"},
		{"more sessions than cores", 2, config.Model{Sessions: 5}, config.Batch{}, split{Sessions: 5, Threads: 1, Callers: 1}, "configured"},
		{"callers", 4, config.Model{Callers: 3}, config.Batch{Latency: config.Duration(time.Second)}, split{Sessions: 1, Threads: 1, Callers: 3}, "configured"},
		{"callers that share threads", 4, config.Model{Sessions: 2, Threads: 2, Callers: 2}, config.Batch{}, split{Sessions: 2, Threads: 2, Callers: 2}, "configured"},
		{"a GPU", 4, config.Model{Provider: "cuda"}, config.Batch{}, split{Sessions: 1, Threads: 4, Callers: 1}, "one on a GPU"},
	} {
		runtime.GOMAXPROCS(c.cores)
		cache := t.TempDir()
		if got, why := divisionOf(&config.Config{}, &config.Pipeline{Model: c.model, Batch: c.batch}, cache, &model.Graph{Path: filepath.Join(cache, "a", "model.onnx")}); got != c.want || why != c.why {
			t.Errorf("%s: %+v, %s, want %+v, %s", c.name, got, why, c.want, c.why)
		}
	}
}

func TestWhatWasMeasuredIsForThatGraphAndYieldsToTheConfiguration(t *testing.T) {
	cache, c, p := t.TempDir(), &config.Config{}, &config.Pipeline{}
	at := func(dir string) *model.Graph { return &model.Graph{Path: filepath.Join(dir, "model.onnx")} }
	g, other := at(filepath.Join(cache, "a")), at(filepath.Join(cache, "b"))
	ready, another, before := at("/models/one/export"), at("/models/two/export"), at("/models/old/export")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	has := func(why string, graph *model.Graph, n int, by string) {
		t.Helper()
		if got, gotBy := divisionOf(c, p, cache, graph); got.Sessions != n || gotBy != by {
			t.Errorf("%s: %v, %s, want %d sessions, %s", why, got, gotBy, n, by)
		}
	}
	has("nothing was measured", g, 1, "not measured")
	for graph, n := range map[*model.Graph]int{g: 2, other: 1, ready: 2} {
		if err := (splits{Chosen: split{Sessions: n, Threads: 1, Callers: 1}}).keep(c, cache, graph); err != nil {
			t.Fatal(err)
		}
	}
	if err := (splits{Chosen: split{Sessions: 2, Threads: 1}}).keep(c, cache, before); err != nil {
		t.Fatal(err)
	}
	has("before there were callers", before, 1, "not measured")
	has("this graph", g, 2, "measured")
	has("the other", other, 1, "measured")
	has("a ready-made one", ready, 2, "measured")
	if got, _ := divisionOf(c, p, cache, other); !got.is(allThreads(2)) {
		t.Errorf("a session of all threads that was measured to be best: %v", got)
	}
	has("one in a directory of the same name", another, 1, "not measured")
	p.Model.Threads = 3
	has("threads are configured", g, 1, "threads are configured")
	p.Model.Threads, p.Model.Sessions = 0, 5
	has("5 are configured", g, 5, "configured")
	p.Model.Sessions = 0
	// A doctor on the host and a worker in a container see one cache in two places.
	b, err := os.ReadFile(filepath.Join(cache, measuredFile))
	if err != nil {
		t.Fatal(err)
	}
	mounted := t.TempDir()
	if err := os.WriteFile(filepath.Join(mounted, measuredFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, by := divisionOf(c, p, mounted, at(filepath.Join(mounted, "a"))); got.Sessions != 2 || by != "measured" {
		t.Errorf("the same cache elsewhere: %v, %s", got, by)
	}
	if _, version, err := ortsession.Library(); err != nil || !strings.Contains(splitKey(c, cache, g), "ONNX Runtime "+version) {
		t.Errorf("key %q has no version %s (%v): another library divides the cores otherwise", splitKey(c, cache, g), version, err)
	}
	if err := os.WriteFile(filepath.Join(cache, measuredFile), []byte(`{"cut`), 0o600); err != nil {
		t.Fatal(err)
	}
	has("a damaged file", g, 1, "not measured")
}

// TestTheDoctorMeasuresSessions holds what is said and kept to each other; which it is depends on the machine.
func TestTheDoctorMeasuresSessions(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // on one core there is nothing to measure
	for _, settings := range []string{"", "\n    batch: {packing: true, row: 16}"} {
		c, p := pipelineFor(t, classCase{"Data2VecTextModel", "Data2VecTextModel/base"}.checkpoint(t), "    heads: [{task: embedding}]"+settings)
		c.Runtime.CacheDir, p.Model.Sessions, p.Model.Threads = t.TempDir(), 0, 0
		said := ""
		d := newDoctor(c, func(f Finding) {
			if strings.HasPrefix(f.Check, "sessions ") {
				said = f.Text
			}
		})
		m, _ := d.model(t.Context(), p)
		if m == nil {
			t.Fatal("no model")
		}
		defer func() { _ = m.close() }()
		d.sessions(t.Context(), p, m)
		known, ok := measured(c.Runtime.CacheDir).Sessions[splitKey(c, c.Runtime.CacheDir, m.graph)]
		if !ok || len(known.Tried) < 4 || slices.ContainsFunc(known.Tried, func(s split) bool { return s.Rate <= 0 || s.CPU <= 0 || s.Callers < 1 }) {
			t.Fatalf("%q: kept %+v (%v); said: %s", settings, known, ok, said)
		}
		if next, _ := divisionOf(c, p, c.Runtime.CacheDir, m.graph); !next.is(known.Chosen) || !strings.Contains(said, "a worker starts with "+next.String()) {
			t.Errorf("%q: a worker starts with %v, chosen %v; said: %s", settings, next, known.Chosen, said)
		}
		t.Log(said)
	}
}
