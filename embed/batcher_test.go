package embed

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestBatcherScript runs testdata/batcher.txt: the schedule of the batcher as a script, to be read as its specification.
func TestBatcherScript(t *testing.T) {
	var b *Batcher[string]
	start := time.Unix(0, 0)
	now := start
	datadriven.RunTest(t, "testdata/batcher.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "new":
			cfg := BatcherConfig{MaxCost: 100, MaxItems: 4, Window: 8, Linger: 5 * time.Millisecond, MaxAge: 50 * time.Millisecond}
			var shapes Shapes
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "cost":
					cfg.MaxCost = atoi(t, a.Vals[0])
				case "items":
					cfg.MaxItems = atoi(t, a.Vals[0])
				case "window":
					cfg.Window = atoi(t, a.Vals[0])
				case "lengths", "counts": // of the shapes
					for _, v := range a.Vals {
						n := atoi(t, v)
						if a.Key == "lengths" {
							shapes.Lengths = append(shapes.Lengths, n)
						} else {
							shapes.Items = append(shapes.Items, n)
						}
					}
				case "latency":
					cfg.Latency = time.Duration(atoi(t, a.Vals[0])) * time.Millisecond
				}
			}
			if err := cfg.Validate(); err != nil {
				return "invalid: " + err.Error()
			}
			b, now = NewBatcher[string](cfg, shapes), start
			return "ok"
		case "expect": // milliseconds
			c := Costs{Fixed: float64(atoi(t, d.CmdArgs[0].Vals[0])) / 1e3, Step: float64(atoi(t, d.CmdArgs[1].Vals[0])) / 1e3}
			b.Expect(c, true)
			return "ok"
		case "add":
			p := Live
			if d.HasArg("backfill") {
				p = Backfill
			}
			for f := range strings.FieldsSeq(d.Input) {
				name, cost, _ := strings.Cut(f, ":")
				b.Add(now, p, 1, atoi(t, cost), name)
			}
			return fmt.Sprintf("waiting %d full=%t", b.Len(), b.Full(p))
		case "at":
			ms := atoi(t, d.CmdArgs[0].Key)
			now = start.Add(time.Duration(ms) * time.Millisecond)
			return "ok"
		case "next":
			batch, wait := b.Next(now)
			if batch == nil {
				return fmt.Sprintf("none, come back in %s", wait)
			}
			return fmt.Sprintf("%s cost=%d padded=%d left=%d", strings.Join(batch.Items, " "), batch.Cost, batch.Padded, b.Len())
		}
		t.Fatalf("unknown command %s", d.Cmd)
		return ""
	})
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBatcherKeepsEveryItemAndTheBudget drives random schedules, half of them with fixed shapes and half with items of several rows: every item comes out once, no batch runs over budget unless it is one
// item, none is of two priorities, an item past MaxAge is in the very next batch of its priority, and backfill waits for 15 batches in a row at most.
func TestBatcherKeepsEveryItemAndTheBudget(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := BatcherConfig{
			MaxCost: 1 + r.IntN(2000), MaxItems: 1 + r.IntN(16), Linger: time.Duration(r.IntN(10)) * time.Millisecond, MaxAge: 40 * time.Millisecond,
		}
		if r.IntN(2) == 0 {
			cfg.Latency = time.Duration(20+r.IntN(100)) * time.Millisecond
		}
		cfg.Window = cfg.MaxItems + r.IntN(64)
		var shapes Shapes
		if r.IntN(2) == 0 {
			shapes = NewShapes(1+r.IntN(32), 400+r.IntN(300), 1+r.IntN(16), cfg.MaxItems)
		}
		w := &watched{t: t, seed: seed, b: NewBatcher[int](cfg, shapes), cfg: cfg, shapes: shapes, now: time.Unix(0, 0), costs: Costs{Fixed: 2e-3, Step: 1e-5, Square: 1e-8}}
		w.b.Expect(w.costs, true)
		sent, live := 0, 1+r.IntN(4)
		choices := 1 + r.IntN(2)*r.IntN(8)
		for got := 0; got < 500; {
			w.now = w.now.Add(time.Duration(r.IntN(4)) * time.Millisecond)
			for sent < 500 && r.IntN(3) > 0 {
				p := Priority(min(r.IntN(live+1), 1))
				if w.b.Full(p) {
					break
				}
				it := waiter[int]{v: sent, rows: 1 + r.IntN(choices), length: 1 + r.IntN(600), added: w.now}
				w.waiting[p] = append(w.waiting[p], it)
				w.b.Add(w.now, p, it.rows, it.length, it.v)
				sent++
			}
			got += w.next()
		}
	}
}

// watched is a batcher with what waits in it, by arrival.
type watched struct {
	t       *testing.T
	seed    uint64
	b       *Batcher[int]
	cfg     BatcherConfig
	shapes  Shapes
	costs   Costs
	now     time.Time
	waiting [priorities][]waiter[int]
	passed  int
}

// next takes a batch, if there is one, and checks it.
func (w *watched) next() int {
	t := w.t
	batch, wait := w.b.Next(w.now)
	if batch == nil {
		if w.b.Len() > 0 && wait <= 0 {
			t.Fatalf("seed %d: %d wait and the batcher says to come back in %s", w.seed, w.b.Len(), wait)
		}
		return 0
	}
	p := Live
	if slices.ContainsFunc(w.waiting[Backfill], func(x waiter[int]) bool { return x.v == batch.Items[0] }) {
		p = Backfill
	}
	if p == Backfill || len(w.waiting[Backfill]) == 0 {
		w.passed = 0
	} else if w.passed++; w.passed >= alms {
		t.Fatalf("seed %d: backfill has waited for %d batches in a row", w.seed, w.passed)
	}
	oldest := w.waiting[p][0]
	most, longest, useful := 0, 0, 0
	for _, it := range batch.Items {
		at := slices.IndexFunc(w.waiting[p], func(x waiter[int]) bool { return x.v == it })
		if at < 0 {
			t.Fatalf("seed %d: item %d came out twice, or beside another priority", w.seed, it)
		}
		x := &w.waiting[p][at]
		most, longest, useful = max(most, x.rows), max(longest, x.length), useful+x.cost()
		w.waiting[p] = slices.Delete(w.waiting[p], at, at+1)
	}
	n := len(batch.Items)
	rows, length := w.shapes.Round(n, longest)
	rows *= most // each item is padded to as many
	if batch.Rows != rows || batch.Length != length || batch.Padded != rows*length || batch.Cost != useful {
		t.Fatalf("seed %d: batch says cost %d padded %d, want %d and %d", w.seed, batch.Cost, batch.Padded, useful, rows*length)
	}
	if n > w.cfg.MaxItems || batch.Padded > w.cfg.MaxCost && n > 1 {
		t.Fatalf("seed %d: a batch of %d items costs %d, budget %d items, %d cost", w.seed, n, batch.Padded, w.cfg.MaxItems, w.cfg.MaxCost)
	}
	age := w.now.Sub(oldest.added)
	if (age >= w.cfg.MaxAge || w.cfg.Latency > 0 && p == Live) && !slices.Contains(batch.Items, oldest.v) {
		t.Fatalf("seed %d: item %d is overdue and not in the batch", w.seed, oldest.v)
	}
	late := p == Live && age >= w.cfg.Latency
	if took := w.costs.Batch(rows, length); w.cfg.Latency > 0 && !late && n > 1 && took > w.cfg.Latency.Seconds()/2 {
		t.Fatalf("seed %d: a batch of %d items takes %.1f ms, the target is %v", w.seed, n, 1e3*took, w.cfg.Latency)
	}
	return n
}

// TestSortedBudgetBeatsArrivalOrder states why the window exists: on log-normal lengths the padding ratio stays under 1.1, where batches of
// 16 in arrival order compute more than twice the useful cost.
func TestSortedBudgetBeatsArrivalOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	lengths := make([]int, 4096)
	for i := range lengths {
		lengths[i] = min(max(int(20*exp(r.NormFloat64()*0.9)), 3), 512)
	}
	b := NewBatcher[int](BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 256, Linger: time.Millisecond, MaxAge: time.Second}, Shapes{})
	now := time.Unix(0, 0)
	useful, padded := 0, 0
	for i := 0; i < len(lengths) || b.Len() > 0; {
		for i < len(lengths) && !b.Full(Live) {
			b.Add(now, Live, 1, lengths[i], i)
			i++
		}
		now = now.Add(10 * time.Millisecond)
		if batch, _ := b.Next(now); batch != nil {
			useful, padded = useful+batch.Cost, padded+batch.Padded
		}
	}
	naive := 0
	for i := 0; i < len(lengths); i += 16 {
		naive += 16 * slices.Max(lengths[i:i+16])
	}
	ratio, naiveRatio := float64(padded)/float64(useful), float64(naive)/float64(useful)
	t.Logf("padding ratio %.3f, in arrival order %.3f", ratio, naiveRatio)
	if ratio > 1.1 || naiveRatio < 2 {
		t.Fatalf("padding ratio %.3f (arrival order %.3f)", ratio, naiveRatio)
	}
}

func exp(x float64) float64 { // enough of e^x for a test's distribution
	sum, term := 1.0, 1.0
	for i := 1; i < 30; i++ {
		term *= x / float64(i)
		sum += term
	}
	return sum
}

func BenchmarkBatcher(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	bt := NewBatcher[int](BatcherConfig{MaxCost: 512, MaxItems: 32, Window: 256, Linger: 0, MaxAge: time.Second}, Shapes{})
	now := time.Unix(0, 0)
	for i := range b.N {
		bt.Add(now, Live, 1, 1+r.IntN(500), i)
		if bt.Full(Live) {
			bt.Next(now)
		}
	}
}

func TestStepsAreTheCostsOfWhatWaits(t *testing.T) {
	cfg := BatcherConfig{MaxCost: 40, MaxItems: 3, Window: 64, MaxAge: time.Second}
	for name, b := range map[string]interface {
		Add(now time.Time, p Priority, rows, length int, v int)
		Next(now time.Time) (*Batch[int], time.Duration)
		Steps() int
		Drain() []int
	}{"batcher": NewBatcher[int](cfg, Shapes{}), "packer": NewPacker[int](cfg, &Packing{Row: 20, Rows: 2, Items: 3})} {
		r := rand.New(rand.NewPCG(1, 2))
		now, want := time.Unix(0, 0), 0
		for range 1000 {
			if cost := r.IntN(15); r.IntN(2) == 0 {
				b.Add(now, Priority(r.IntN(int(priorities))), 1, cost, cost)
				want += max(cost, 1)
			} else if batch, _ := b.Next(now); batch != nil {
				for _, cost := range batch.Items {
					want -= max(cost, 1)
				}
			}
			if b.Steps() != want {
				t.Fatalf("%s: %d, want %d", name, b.Steps(), want)
			}
		}
		if want == 0 {
			t.Errorf("%s: nothing waits at the end", name)
		}
		if b.Drain(); b.Steps() != 0 {
			t.Errorf("%s: %d are left", name, b.Steps())
		}
	}
}

// TestBatchesWithoutShapesStayWhatTheyAre forms batches of seeded streams, with costs whose sums are exact on every machine, and compares them all with those that were formed before a batcher knew of shapes: on a CPU nothing is to change.
func TestBatchesWithoutShapesStayWhatTheyAre(t *testing.T) {
	sum := fnv.New64a()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 6))
		cfg := BatcherConfig{MaxCost: 64 + r.IntN(1000), MaxItems: 1 + r.IntN(32), Linger: 3 * time.Millisecond, MaxAge: 40 * time.Millisecond}
		cfg.Window = cfg.MaxItems + r.IntN(64)
		c := Costs{Fixed: 1.0 / 64, Step: 1.0 / 8192, Square: 1.0 / (1 << 23)}
		if r.IntN(2) == 0 {
			cfg.Latency = time.Second / 8
		}
		b, now := NewBatcher[int](cfg, Shapes{}), time.Unix(0, 0)
		b.Expect(c, seed%8 > 0)
		for i := 0; i < 1000 || b.Len() > 0; now = now.Add(time.Millisecond) {
			for range r.IntN(8) {
				if p := Priority(r.IntN(2)); i < 1000 && !b.Full(p) {
					b.Add(now, p, 1, 1+r.IntN(300), i)
					i++
				}
			}
			if batch, wait := b.Next(now); batch != nil {
				fmt.Fprintln(sum, batch.Items, batch.Waited, batch.Cost, batch.Padded)
			} else {
				fmt.Fprintln(sum, wait)
			}
		}
	}
	if got := sum.Sum64(); got != 0x9c9605c2b2c7d999 {
		t.Errorf("other batches than before: %#x", got)
	}
}

// formed runs items of these lengths as shapes, in batches of b's, on a session that takes c: how long that is, and how large the largest batch of several items.
func formed(b *Batcher[int], lengths []int, shapes Shapes, c Costs) (seconds float64, largest int, kinds map[[2]int]int) {
	now := time.Unix(0, 0)
	kinds = map[[2]int]int{}
	b.Expect(c, true)
	for i := 0; i < len(lengths) || b.Len() > 0; {
		for i < len(lengths) && !b.Full(Backfill) {
			b.Add(now, Backfill, 1, lengths[i], i)
			i++
		}
		batch, _ := b.Next(now)
		longest := 0
		for _, at := range batch.Items {
			longest = max(longest, lengths[at])
		}
		rows, length := shapes.Round(len(batch.Items), longest)
		seconds += c.Batch(rows, length)
		kinds[[2]int{rows, length}]++
		if len(batch.Items) > 1 {
			largest = max(largest, rows*length)
		}
	}
	return seconds, largest, kinds
}

// TestBatchesThatKnowTheirShapesTakeLess compares with batches that are formed as if they ran as they are, and then run as the shapes: those exceed the budget, and end where a row more would double them.
func TestBatchesThatKnowTheirShapesTakeLess(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	long := make([]int, 3000) // frames of recordings of 1 to 20 s
	for i := range long {
		long[i] = 50 + r.IntN(950)
	}
	for _, c := range []struct {
		name    string
		lengths []int
		cfg     BatcherConfig
		shapes  Shapes
		costs   Costs
		most    float64 // of the time
	}{
		{"texts, the budget of a processor", texts(r, 6000), BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 512, MaxAge: time.Hour}, NewShapes(16, 512, 8, 64), Costs{Fixed: 12e-3, Step: 2e-4, Square: 4e-8}, 0.93},
		{"texts, a large budget", texts(r, 6000), BatcherConfig{MaxCost: 16384, MaxItems: 512, Window: 1024, MaxAge: time.Hour}, NewShapes(16, 512, 8, 512), Costs{Fixed: 4e-3, Step: 2e-6, Square: 1e-9}, 0.8},
		{"recordings, a large budget", long, BatcherConfig{MaxCost: 24000, MaxItems: 128, Window: 256, MaxAge: time.Hour}, NewShapes(50, 1499, 5, 128), Costs{Fixed: 5e-3, Step: 5e-6, Square: 2e-9}, 0.75},
	} {
		known, large, kinds := formed(NewBatcher[int](c.cfg, c.shapes), c.lengths, c.shapes, c.costs)
		blind, over, others := formed(NewBatcher[int](c.cfg, Shapes{}), c.lengths, c.shapes, c.costs)
		t.Logf("%s: %.3f of the time, %d kinds of shapes for %d; the largest batch is %.2f of the budget, and was %.2f", c.name, known/blind, len(kinds), len(others), float64(large)/float64(c.cfg.MaxCost), float64(over)/float64(c.cfg.MaxCost))
		if known > c.most*blind || large > c.cfg.MaxCost || over <= c.cfg.MaxCost {
			t.Errorf("%s: %.3f of the time, batches of up to %d, and of %d where the shapes are not known", c.name, known/blind, large, over)
		}
	}
}
