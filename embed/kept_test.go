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
	kept := Costs{Fixed: 12e-3, Step: 2e-4, Square: 4e-8}
	if c, known := NewCostModelFrom(kept, 512, counted).Costs(); !known || c != kept {
		t.Errorf("%+v (%v), want what was kept", c, known)
	}
	for name, c := range map[string]Costs{
		"nothing":                {},
		"a fixed part alone":     {Fixed: 1, Step: 0, Square: 0},
		"less for more":          {Fixed: 1e-3, Step: -1e-4, Square: 1e-6},
		"a negative fixed part":  {Fixed: -1, Step: 1e-4, Square: 1e-6},
		"not a number":           {Fixed: math.NaN(), Step: 1e-4, Square: 1e-6},
		"more than there can be": {Fixed: 1e-3, Step: math.Inf(1), Square: 0},
	} {
		m := NewCostModelFrom(c, 512, counted)
		if got, known := m.Costs(); known || got != NewCostModel(512, counted).costs {
			t.Errorf("%s: %+v (%v)", name, got, known)
		}
	}
}

// TestKeptCostsThatAreWrongAreUnlearnt keeps what a machine never was: how large batches are is known after the first, whatever was kept, and every shape after 200, as without anything kept.
func TestKeptCostsThatAreWrongAreUnlearnt(t *testing.T) {
	truth := Costs{Fixed: 12e-3, Step: 2e-4, Square: 4e-8}
	for _, c := range []struct {
		name string
		kept Costs
	}{
		{"right", truth},
		{"a hundred times as slow", Costs{Fixed: 1.2, Step: 2e-2, Square: 4e-6}},
		{"a hundred times as fast", Costs{Fixed: 12e-5, Step: 2e-6, Square: 4e-10}},
		{"no fixed part", Costs{Fixed: 0, Step: 2e-4, Square: 4e-8}},
		{"next to nothing but a fixed part", Costs{Fixed: 1, Step: 1e-9, Square: 0}},
		{"nothing but attention", Costs{Fixed: 0, Step: 0, Square: 1e-5}},
		{"no attention, and ten times the fixed part", Costs{Fixed: 0.12, Step: 2e-4, Square: 0}},
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
	truth := Costs{Fixed: 2e-3, Step: 1e-4, Square: 1e-6}
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
