package embed

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// machine is a session whose time is known, with some noise, and now and then other work on it that makes a run many times as slow.
type machine struct {
	Costs
	r     *rand.Rand
	noise float64 // relative
	slow  float64 // share of the runs that are slow
}

func (m *machine) run(items, longest int) (seconds float64) {
	t := m.Batch(items, longest) * math.Exp(m.noise*m.r.NormFloat64())
	if m.r.Float64() < m.slow {
		t *= 2 + 8*m.r.Float64()
	}
	return t
}

// texts are log-normal lengths.
func texts(r *rand.Rand, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = min(max(int(35*math.Exp(0.8*r.NormFloat64())), 3), 512)
	}
	return all
}

// TestCostsAreLearnt predicts batches of all shapes after 200 runs on a machine of which a tenth of the runs are slowed two to ten times. Where attention matters the
// prior, which is of base width, knows a third of it.
func TestCostsAreLearnt(t *testing.T) {
	for _, c := range []struct {
		name  string
		truth Costs
		prior float64 // Square over Step
	}{
		{"a batch's fixed part is nothing", Costs{Fixed: 0, Step: 2e-4, Square: 4e-8}, 2e-4},
		{"the fixed part is what weights of base size take", Costs{Fixed: 12e-3, Step: 2e-4, Square: 4e-8}, 2e-4},
		{"the fixed part is most of it, as on a fast device", Costs{Fixed: 12e-3, Step: 1e-6, Square: 1e-9}, 2e-4},
		{"attention is much of it", Costs{Fixed: 2e-3, Step: 1e-4, Square: 1e-6}, 3e-3},
		{"nothing but a fixed part", Costs{Fixed: 5e-3, Step: 0, Square: 0}, 2e-4},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 1))
			m := &machine{Costs: c.truth, r: r, noise: 0.05, slow: 0.1}
			model := NewCostModel(512, func(n int) float64 { return float64(n) + c.prior*float64(n)*float64(n) })
			for range 200 {
				longest := texts(r, 1)[0]
				items := 1 + r.IntN(max(512/longest, 1))
				model.Observe(items, longest, m.run(items, longest))
			}
			got, known := model.Costs()
			if !known {
				t.Fatal("nothing was learnt")
			}
			worst := 0.0
			for _, at := range [][2]int{{1, 8}, {1, 64}, {1, 512}, {8, 64}, {60, 8}, {4, 128}} {
				want := c.truth.Batch(at[0], at[1])
				worst = max(worst, math.Abs(got.Batch(at[0], at[1])-want)/want)
			}
			t.Logf("%+v for %+v, worst prediction off by %.3f, mean error told %.3f", got, c.truth, worst, model.Miss())
			if worst > 0.15 {
				t.Errorf("a prediction is off by %.2f", worst)
			}
		})
	}
}

// TestCostsFollowTheMachine states how long a lasting change takes to be believed.
func TestCostsFollowTheMachine(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	m := &machine{Costs: Costs{Fixed: 10e-3, Step: 2e-4, Square: 4e-8}, r: r, noise: 0.05}
	model := NewCostModel(512, nil)
	see := func(runs int) float64 {
		for range runs {
			longest := texts(r, 1)[0]
			items := max(512/longest, 1)
			model.Observe(items, longest, m.run(items, longest))
		}
		got, _ := model.Costs()
		return got.Batch(8, 64) / m.Batch(8, 64)
	}
	if before := see(100); math.Abs(before-1) > 0.1 {
		t.Fatalf("learnt %.2f of the truth", before)
	}
	for i, f := range []*float64{&m.Fixed, &m.Step, &m.Square} {
		*f *= []float64{2, 2, 2}[i]
	}
	if after := see(100); math.Abs(after-1) > 0.1 {
		t.Errorf("100 runs after the machine became half as fast, the prediction is %.2f of the truth", after)
	}
}

// TestOneLengthIsEnough says what becomes of what cannot be told apart: the shape of the prior.
func TestOneLengthIsEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := &machine{Costs: Costs{Fixed: 4e-3, Step: 3e-4, Square: 0}, r: r, noise: 0.05}
	model := NewCostModel(1600, func(n int) float64 { return float64(n) + float64(n)*float64(n)/4000 })
	for range 100 {
		items := 1 + r.IntN(8)
		model.Observe(items, 197, m.run(items, 197))
	}
	got, _ := model.Costs()
	for _, items := range []int{1, 3, 8} {
		if p := got.Batch(items, 197) / m.Batch(items, 197); math.Abs(p-1) > 0.1 {
			t.Errorf("%d pictures are predicted to take %.2f of the truth", items, p)
		}
	}
	if got.Step <= 0 || got.Square <= 0 {
		t.Errorf("a term vanished: %+v", got)
	}
}

func TestCostsAreWhatFLOPsSayBeforeTheFirstRun(t *testing.T) {
	flops := func(n int) float64 { return 3e6*float64(n) + 2e3*float64(n)*float64(n) }
	c, known := NewCostModel(400, flops).Costs()
	if known {
		t.Error("something is known before the first run")
	}
	if got, want := c.Item(300)/c.Item(30), flops(300)/flops(30); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("an item ten times as long costs %.3f times as much, want %.3f", got, want)
	}
	if got, want := c.Fixed/c.Item(50), 1.0; math.Abs(got-want) > 1e-9 {
		t.Errorf("the fixed part is %.3f of an item of an eighth of the budget", got)
	}
}

// budget is that of the batches of total.
const budget = 512

// total computes lengths by batches of b on a machine, and gives what they take. The batcher is told what told says after each batch; nil: nothing.
func total(m *machine, lengths []int, window int, told func(items, longest int) Costs) (took float64) {
	b := NewBatcher[int](BatcherConfig{MaxCost: budget, MaxItems: 64, Window: window, MaxAge: time.Hour}, Shapes{})
	now := time.Unix(0, 0)
	for i := 0; i < len(lengths) || b.Len() > 0; {
		for i < len(lengths) && !b.Full(Live) {
			b.Add(now, Live, 1, lengths[i], i)
			i++
		}
		batch, _ := b.Next(now)
		longest := batch.Padded / len(batch.Items)
		took += m.Batch(len(batch.Items), longest)
		if told != nil {
			b.Expect(told(len(batch.Items), longest), true)
		}
	}
	return took
}

// TestLearntCostsChooseBetterBatches compares with a fixed part that is taken for an eighth of the budget: where that is what it is, nothing is lost, and where the machine is another,
// something is gained: little, since full batches of like lengths are good ones by any reckoning.
func TestLearntCostsChooseBetterBatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		truth Costs
		most  float64 // time by learnt costs over that by the eighth
	}{
		{"the fixed part is an eighth of the budget", Costs{Fixed: 12.8e-3, Step: 2e-4, Square: 0}, 1.006},
		{"the fixed part is nothing", Costs{Fixed: 0, Step: 2e-4, Square: 0}, 0.996}, // 0.99, if it were believed
		{"the fixed part is the whole budget", Costs{Fixed: 102e-3, Step: 2e-4, Square: 0}, 0.996},
	} {
		t.Run(c.name, func(t *testing.T) {
			lengths := texts(rand.New(rand.NewPCG(5, 1)), 4000)
			fixed := total(&machine{Costs: c.truth, r: rand.New(rand.NewPCG(5, 2))}, lengths, 256, nil)
			m, model := &machine{Costs: c.truth, r: rand.New(rand.NewPCG(5, 2)), noise: 0.1, slow: 0.05}, NewCostModel(budget, nil)
			learnt := total(m, lengths, 256, func(items, longest int) Costs {
				model.Observe(items, longest, m.run(items, longest))
				return model.costs
			})
			t.Logf("%.4f of the time", learnt/fixed)
			if learnt > c.most*fixed {
				t.Errorf("learnt costs take %.4f of the time, want at most %.3f", learnt/fixed, c.most)
			}
		})
	}
}

// TestAWrongFixedPartCostsLittle has batches chosen for a fixed part that is far from the machine's: what a busy machine's times show is often none at all, and batches of items of one length alone took 1.2 times as long.
func TestAWrongFixedPartCostsLittle(t *testing.T) {
	truth := Costs{Fixed: 12.8e-3, Step: 2e-4, Square: 0}
	for _, c := range []struct {
		believed, most float64 // of the truth; time over that by the truth
	}{{0, 1.015}, {0.01, 1.015}, {0.2, 1.015}, {8, 1.02}} {
		lengths := texts(rand.New(rand.NewPCG(7, 1)), 300)
		m := &machine{Costs: truth}
		told := func(fixed float64) float64 {
			return total(m, lengths, 512, func(int, int) Costs { return Costs{Fixed: fixed * truth.Fixed, Step: truth.Step, Square: 0} })
		}
		if got := told(c.believed) / told(1); got > c.most {
			t.Errorf("a fixed part that is believed to be %.2f of what it is makes batches that take %.4f of the time", c.believed, got)
		}
	}
}

// TestCostsAreOfTheShapeThatRan gives an engine with fixed shapes batches of five items, which run as eight: their time is that of eight items, not of five longer ones, whose square would be charged with it.
func TestCostsAreOfTheShapeThatRan(t *testing.T) {
	cfg := testConfig()
	cfg.Shapes, cfg.FLOPs = Shapes{Items: []int{1, 2, 4, 8}}, func(n int) float64 { return float64(n) + 1e-2*float64(n)*float64(n) }
	e, err := NewEngine(cfg, words{}, []Session{&adder{}}, []Head{sumHead{1}})
	if err != nil {
		t.Fatal(err)
	}
	truth := Costs{Fixed: 10e-3, Step: 1e-4, Square: 1e-6}
	limits := cfg.Batch
	limits.MaxCost = 8 * 300
	r := rand.New(rand.NewPCG(3, 1))
	for range 200 {
		items, longest := 1+r.IntN(8), 1+r.IntN(300)
		b := NewBatcher[*window](limits, cfg.Shapes)
		for range items {
			b.Add(time.Time{}, Live, 1, longest, nil)
		}
		batch, _ := b.Next(time.Time{}.Add(time.Hour))
		ran := least(cfg.Shapes.Items, len(batch.Items))
		e.learn(0, batch, time.Duration(truth.Batch(ran, longest)*float64(time.Second)))
	}
	got, _ := e.mu.costs[0].Costs()
	for _, at := range [][2]int{{1, 10}, {8, 50}, {8, 300}} {
		if p, w := got.Batch(at[0], at[1]), truth.Batch(at[0], at[1]); math.Abs(p/w-1) > 0.01 {
			t.Errorf("%d items of %d steps: %.4f s are predicted, %.4f s is what they take", at[0], at[1], p, w)
		}
	}
}
