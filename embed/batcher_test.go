package embed

import (
	"fmt"
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
			for _, a := range d.CmdArgs {
				switch a.Key {
				case "cost":
					cfg.MaxCost = atoi(t, a.Vals[0])
				case "items":
					cfg.MaxItems = atoi(t, a.Vals[0])
				case "window":
					cfg.Window = atoi(t, a.Vals[0])
				case "latency":
					cfg.Latency = time.Duration(atoi(t, a.Vals[0])) * time.Millisecond
				}
			}
			if err := cfg.Validate(); err != nil {
				return "invalid: " + err.Error()
			}
			b, now = NewBatcher[string](cfg), start
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
				b.Add(now, p, atoi(t, cost), name)
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

// TestBatcherKeepsEveryItemAndTheBudget drives random schedules: every item comes out once, no batch is over budget unless it is one
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
		w := &watched{t: t, seed: seed, b: NewBatcher[int](cfg), cfg: cfg, now: time.Unix(0, 0), costs: Costs{Fixed: 2e-3, Step: 1e-5, Square: 1e-8}}
		w.b.Expect(w.costs, true)
		sent, live := 0, 1+r.IntN(4)
		for got := 0; got < 500; {
			w.now = w.now.Add(time.Duration(r.IntN(4)) * time.Millisecond)
			for sent < 500 && r.IntN(3) > 0 {
				p := Priority(min(r.IntN(live+1), 1))
				if w.b.Full(p) {
					break
				}
				it := waiter[int]{v: sent, cost: 1 + r.IntN(600), added: w.now}
				w.waiting[p] = append(w.waiting[p], it)
				w.b.Add(w.now, p, it.cost, it.v)
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
	longest, useful := 0, 0
	for _, it := range batch.Items {
		at := slices.IndexFunc(w.waiting[p], func(x waiter[int]) bool { return x.v == it })
		if at < 0 {
			t.Fatalf("seed %d: item %d came out twice, or beside another priority", w.seed, it)
		}
		longest, useful = max(longest, w.waiting[p][at].cost), useful+w.waiting[p][at].cost
		w.waiting[p] = slices.Delete(w.waiting[p], at, at+1)
	}
	n := len(batch.Items)
	if batch.Padded != longest*n || batch.Cost != useful {
		t.Fatalf("seed %d: batch says cost %d padded %d, want %d and %d", w.seed, batch.Cost, batch.Padded, useful, longest*n)
	}
	if n > w.cfg.MaxItems || batch.Padded > w.cfg.MaxCost && n > 1 {
		t.Fatalf("seed %d: a batch of %d items costs %d, budget %d items, %d cost", w.seed, n, batch.Padded, w.cfg.MaxItems, w.cfg.MaxCost)
	}
	age := w.now.Sub(oldest.added)
	if (age >= w.cfg.MaxAge || w.cfg.Latency > 0 && p == Live) && !slices.Contains(batch.Items, oldest.v) {
		t.Fatalf("seed %d: item %d is overdue and not in the batch", w.seed, oldest.v)
	}
	late := p == Live && age >= w.cfg.Latency
	if took := w.costs.Batch(n, longest); w.cfg.Latency > 0 && !late && n > 1 && took > w.cfg.Latency.Seconds()/2 {
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
	b := NewBatcher[int](BatcherConfig{MaxCost: 512, MaxItems: 64, Window: 256, Linger: time.Millisecond, MaxAge: time.Second})
	now := time.Unix(0, 0)
	useful, padded := 0, 0
	for i := 0; i < len(lengths) || b.Len() > 0; {
		for i < len(lengths) && !b.Full(Live) {
			b.Add(now, Live, lengths[i], i)
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
	bt := NewBatcher[int](BatcherConfig{MaxCost: 512, MaxItems: 32, Window: 256, Linger: 0, MaxAge: time.Second})
	now := time.Unix(0, 0)
	for i := range b.N {
		bt.Add(now, Live, 1+r.IntN(500), i)
		if bt.Full(Live) {
			bt.Next(now)
		}
	}
}

func TestStepsAreTheCostsOfWhatWaits(t *testing.T) {
	cfg := BatcherConfig{MaxCost: 40, MaxItems: 3, Window: 64, MaxAge: time.Second}
	for name, b := range map[string]interface {
		Add(now time.Time, p Priority, cost int, v int)
		Next(now time.Time) (*Batch[int], time.Duration)
		Steps() int
		Drain() []int
	}{"batcher": NewBatcher[int](cfg), "packer": NewPacker[int](cfg, &Packing{Row: 20, Rows: 2, Items: 3})} {
		r := rand.New(rand.NewPCG(1, 2))
		now, want := time.Unix(0, 0), 0
		for range 1000 {
			if cost := r.IntN(15); r.IntN(2) == 0 {
				b.Add(now, Priority(r.IntN(int(priorities))), cost, cost)
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
