package wire

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"vecmill/embed/ortsession"
	"vecmill/internal/config"
	"vecmill/model"
)

func TestMoreSessionsMustBeWorthTheirMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		cores int
		rates map[int]float64 // steps a second by sessions
		want  split
		tried []int
	}{
		{"one core has nothing to divide", 1, nil, split{Sessions: 1, Threads: 1}, nil},
		{"two are a little faster, which is not enough", 8, map[int]float64{1: 100, 2: 109}, split{1, 8, 100}, []int{1, 2}},
		{"two are, four are not", 8, map[int]float64{1: 100, 2: 120, 4: 125}, split{2, 4, 120}, []int{1, 2, 2, 4}},
		{"as many as there are", 4, map[int]float64{1: 100, 2: 120, 4: 150}, split{4, 1, 150}, []int{1, 2, 2, 4}},
		{"slower", 2, map[int]float64{1: 100, 2: 50}, split{1, 2, 100}, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := choose(c.cores, func(a, b split) (split, split, error) {
				a.Rate, b.Rate = c.rates[a.Sessions], c.rates[b.Sessions]
				return a, b, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var tried []int
			for _, x := range s.Tried {
				tried = append(tried, x.Sessions)
			}
			if s.Chosen != c.want || !slices.Equal(tried, c.tried) {
				t.Errorf("chosen %+v of %v, want %+v of %v", s.Chosen, tried, c.want, c.tried)
			}
		})
	}
}

func TestWhatWasMeasuredIsForThatGraphAndYieldsToTheConfiguration(t *testing.T) {
	cache, c, p := t.TempDir(), &config.Config{}, &config.Pipeline{}
	at := func(dir string) *model.Graph { return &model.Graph{Path: filepath.Join(dir, "model.onnx")} }
	g, other := at(filepath.Join(cache, "a")), at(filepath.Join(cache, "b"))
	ready, another := at("/models/one/export"), at("/models/two/export")
	has := func(why string, graph *model.Graph, n int, by string) {
		t.Helper()
		if got, gotBy := sessionsOf(c, p, cache, graph); got != n || gotBy != by {
			t.Errorf("%s: %d sessions, %s, want %d, %s", why, got, gotBy, n, by)
		}
	}
	has("nothing was measured", g, 1, "not measured")
	two := min(2, runtime.GOMAXPROCS(0))
	for graph, n := range map[*model.Graph]int{g: 2, other: 1, ready: 2} {
		if err := (splits{Chosen: split{Sessions: n, Threads: 1}}).keep(c, cache, graph); err != nil {
			t.Fatal(err)
		}
	}
	has("this graph", g, two, "measured")
	has("the other", other, 1, "measured")
	has("a ready-made one", ready, two, "measured")
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
	if n, by := sessionsOf(c, p, mounted, at(filepath.Join(mounted, "a"))); n != two || by != "measured" {
		t.Errorf("the same cache elsewhere: %d sessions, %s", n, by)
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
		if !ok || len(known.Tried) < 2 || known.Tried[0].Rate <= 0 || known.Tried[1].Rate <= 0 {
			t.Fatalf("%q: kept %+v (%v); said: %s", settings, known, ok, said)
		}
		if n, _ := sessionsOf(c, p, c.Runtime.CacheDir, m.graph); n != known.Chosen.Sessions || !strings.Contains(said, "steps a second") {
			t.Errorf("%q: a worker starts with %d, chosen %d; said: %s", settings, n, known.Chosen.Sessions, said)
		}
		t.Log(said)
	}
}
