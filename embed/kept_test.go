package embed

import (
	"math"
	"math/rand/v2"
	"testing"
)

// counted is a base model's shape: attention matters from some thousand steps on.
func counted(n int) float64 { return float64(n) + 2e-4*float64(n)*float64(n) }

// TestKeptCostsAreKnownBeforeTheFirstBatch also says what is no cost at all.
func TestKeptCostsAreKnownBeforeTheFirstBatch(t *testing.T) {
	kept := Costs{12e-3, 2e-4, 4e-8}
	if c, known := NewCostModelFrom(kept, 512, counted).Costs(); !known || c != kept {
		t.Errorf("%+v (%v), want what was kept", c, known)
	}
	for name, c := range map[string]Costs{
		"nothing":                {},
		"a fixed part alone":     {1, 0, 0},
		"less for more":          {1e-3, -1e-4, 1e-6},
		"a negative fixed part":  {-1, 1e-4, 1e-6},
		"not a number":           {math.NaN(), 1e-4, 1e-6},
		"more than there can be": {1e-3, math.Inf(1), 0},
	} {
		m := NewCostModelFrom(c, 512, counted)
		if got, known := m.Costs(); known || got != NewCostModel(512, counted).costs {
			t.Errorf("%s: %+v (%v)", name, got, known)
		}
	}
}

// TestKeptCostsThatAreWrongAreUnlearnt keeps what a machine never was: how large batches are is known after the first, whatever was kept, and every shape after 200, as without anything kept.
func TestKeptCostsThatAreWrongAreUnlearnt(t *testing.T) {
	truth := Costs{12e-3, 2e-4, 4e-8}
	for _, c := range []struct {
		name string
		kept Costs
	}{
		{"right", truth},
		{"a hundred times as slow", Costs{1.2, 2e-2, 4e-6}},
		{"a hundred times as fast", Costs{12e-5, 2e-6, 4e-10}},
		{"no fixed part", Costs{0, 2e-4, 4e-8}},
		{"next to nothing but a fixed part", Costs{1, 1e-9, 0}},
		{"nothing but attention", Costs{0, 0, 1e-5}},
		{"no attention, and ten times the fixed part", Costs{0.12, 2e-4, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			m := &machine{Costs: truth, r: r, noise: 0.05}
			model := NewCostModelFrom(c.kept, 512, counted)
			model.Observe(8, 64, m.Batch(8, 64))
			got, _ := model.Costs()
			if p := got.Batch(8, 64) / m.Batch(8, 64); math.Abs(p-1) > 0.05 {
				t.Errorf("after one batch another one like it is predicted to take %.2f of the truth", p)
			}
			for range 200 {
				longest := texts(r, 1)[0]
				items := 1 + r.IntN(max(512/longest, 1))
				model.Observe(items, longest, m.run(items, longest))
			}
			got, _ = model.Costs()
			worst := 0.0
			for _, at := range [][2]int{{1, 8}, {1, 64}, {1, 512}, {8, 64}, {60, 8}, {4, 128}} {
				worst = max(worst, math.Abs(got.Batch(at[0], at[1])/m.Batch(at[0], at[1])-1))
			}
			t.Logf("%+v, worst prediction off by %.3f, mean error told %.3f", got, worst, model.Miss())
			if worst > 0.15 {
				t.Errorf("after 201 batches a prediction is off by %.2f", worst)
			}
		})
	}
}

// TestCostsThatAreKeptAgainAndAgainForgetNothing starts with what the start before has seen of one length alone, many times over: what other lengths cost is learnt as well as with nothing kept.
func TestCostsThatAreKeptAgainAndAgainForgetNothing(t *testing.T) {
	truth := Costs{2e-3, 1e-4, 1e-6}
	learn := func(model *CostModel, batches int, lengths func(r *rand.Rand) int) Costs {
		r := rand.New(rand.NewPCG(3, 5))
		m := &machine{Costs: truth, r: r, noise: 0.05}
		for range batches {
			longest := lengths(r)
			items := 1 + r.IntN(max(512/longest, 1))
			model.Observe(items, longest, m.run(items, longest))
		}
		c, _ := model.Costs()
		return c
	}
	short := func(*rand.Rand) int { return 8 }
	any := func(r *rand.Rand) int { return texts(r, 1)[0] }
	kept := Costs{}
	for range 20 {
		kept = learn(NewCostModelFrom(kept, 512, counted), 50, short)
	}
	after, anew := learn(NewCostModelFrom(kept, 512, counted), 200, any), learn(NewCostModel(512, counted), 200, any)
	for _, at := range [][2]int{{1, 8}, {1, 512}, {8, 64}} {
		if p := after.Batch(at[0], at[1]) / anew.Batch(at[0], at[1]); math.Abs(p-1) > 0.02 {
			t.Errorf("%d items of %d steps are predicted to take %.3f of what they are with nothing kept", at[0], at[1], p)
		}
	}
}

// TestABoundHoldsForAllThatWasSeen has bytes that grow as predicted, but for one shape that needs a quarter more.
func TestABoundHoldsForAllThatWasSeen(t *testing.T) {
	truth := Costs{3 << 20, 40 << 10, 48}
	var seen []Seen
	for _, at := range [][2]int{{1, 8}, {64, 8}, {1, 64}, {8, 64}, {1, 256}, {2, 256}, {1, 512}} {
		seen = append(seen, Seen{at[0], at[1], truth.Batch(at[0], at[1])})
	}
	exact, raised := Bound(seen)
	for _, at := range [][2]int{{1, 8}, {16, 32}, {1, 512}, {4, 128}} {
		if p := exact.Batch(at[0], at[1]) / truth.Batch(at[0], at[1]); p < 0.9999 || p > 1.001 {
			t.Errorf("%d items of %d steps are bound by %.2f of the truth", at[0], at[1], p)
		}
	}
	if raised > 1.001 {
		t.Errorf("raised by %.3f to be exact", raised)
	}
	seen[3].Needed *= 1.25
	bound, raised := Bound(seen)
	for _, s := range seen {
		if told := bound.Batch(s.Items, s.Longest); told < 0.9999*s.Needed || told > 1.4*s.Needed {
			t.Errorf("%d items of %d steps need %.0f and are bound by %.0f", s.Items, s.Longest, s.Needed, told)
		}
	}
	if raised < 1.1 || raised > 1.25 {
		t.Errorf("raised by %.3f", raised)
	}
}
