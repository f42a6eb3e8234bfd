package wire

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

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
	cache := t.TempDir()
	g, other := &model.Graph{Path: "/graphs/a/model.onnx"}, &model.Graph{Path: "/graphs/b/model.onnx"}
	p := &config.Pipeline{}
	if n := sessionsOf(p, cache, g); n != 1 {
		t.Errorf("%d sessions where nothing was measured", n)
	}
	for _, at := range []*model.Graph{other, g} {
		if err := (splits{Chosen: split{Sessions: 2, Threads: 1}}).keep(cache, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := (splits{Chosen: split{Sessions: 1}}).keep(cache, other); err != nil {
		t.Fatal(err)
	}
	want := min(2, runtime.GOMAXPROCS(0))
	if n, m := sessionsOf(p, cache, g), sessionsOf(p, cache, other); n != want || m != 1 {
		t.Errorf("%d and %d sessions, want %d and 1", n, m, want)
	}
	p.Model.Threads = 3
	if n := sessionsOf(p, cache, g); n != 1 {
		t.Errorf("%d sessions of threads that are configured", n)
	}
	p.Model.Threads, p.Model.Sessions = 0, 5
	if n := sessionsOf(p, cache, g); n != 5 {
		t.Errorf("%d sessions where 5 are configured", n)
	}
	if err := os.WriteFile(filepath.Join(cache, measuredFile), []byte(`{"cut`), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Model.Sessions = 0
	if n := sessionsOf(p, cache, g); n != 1 {
		t.Errorf("a damaged file says %d", n)
	}
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
		known, ok := measured(c.Runtime.CacheDir).Sessions[splitKey(m.graph)]
		if !ok || len(known.Tried) < 2 || known.Tried[0].Rate <= 0 || known.Tried[1].Rate <= 0 {
			t.Fatalf("%q: kept %+v (%v); said: %s", settings, known, ok, said)
		}
		if n := sessionsOf(p, c.Runtime.CacheDir, m.graph); n != known.Chosen.Sessions || !strings.Contains(said, "steps a second") {
			t.Errorf("%q: a worker starts with %d, chosen %d; said: %s", settings, n, known.Chosen.Sessions, said)
		}
		t.Log(said)
	}
}
