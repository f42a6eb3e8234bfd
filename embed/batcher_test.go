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
				}
			}
			if err := cfg.Validate(); err != nil {
				return "invalid: " + err.Error()
			}
			b, now = NewBatcher[string](cfg), start
			return "ok"
		case "add":
			for f := range strings.FieldsSeq(d.Input) {
				name, cost, _ := strings.Cut(f, ":")
				b.Add(now, atoi(t, cost), name)
			}
			return fmt.Sprintf("waiting %d full=%t", b.Len(), b.Full())
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
// item, and an item past MaxAge is in the very next batch.
func TestBatcherKeepsEveryItemAndTheBudget(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := BatcherConfig{
			MaxCost: 1 + r.IntN(2000), MaxItems: 1 + r.IntN(16), Linger: time.Duration(r.IntN(10)) * time.Millisecond, MaxAge: 40 * time.Millisecond,
		}
		cfg.Window = cfg.MaxItems + r.IntN(64)
		b := NewBatcher[int](cfg)
		now := time.Unix(0, 0)
		added := map[int]time.Time{}
		costs := map[int]int{}
		sent, got := 0, 0
		for step := 0; got < 500; step++ {
			now = now.Add(time.Duration(r.IntN(4)) * time.Millisecond)
			for sent < 500 && !b.Full() && r.IntN(3) > 0 {
				costs[sent] = 1 + r.IntN(600)
				added[sent] = now
				b.Add(now, costs[sent], sent)
				sent++
			}
			batch, wait := b.Next(now)
			if batch == nil {
				if b.Len() > 0 && wait <= 0 {
					t.Fatalf("seed %d: %d wait and the batcher says to come back in %s", seed, b.Len(), wait)
				}
				continue
			}
			longest, useful := 0, 0
			for _, it := range batch.Items {
				if _, ok := added[it]; !ok {
					t.Fatalf("seed %d: item %d came out twice", seed, it)
				}
				longest, useful = max(longest, costs[it]), useful+costs[it]
			}
			if batch.Padded != longest*len(batch.Items) || batch.Cost != useful {
				t.Fatalf("seed %d: batch says cost %d padded %d, want %d and %d", seed, batch.Cost, batch.Padded, useful, longest*len(batch.Items))
			}
			if len(batch.Items) > cfg.MaxItems || batch.Padded > cfg.MaxCost && len(batch.Items) > 1 {
				t.Fatalf("seed %d: a batch of %d items costs %d, budget %d items, %d cost", seed, len(batch.Items), batch.Padded, cfg.MaxItems, cfg.MaxCost)
			}
			for it, at := range added {
				if now.Sub(at) >= cfg.MaxAge && !slices.Contains(batch.Items, it) && oldest(added) == it {
					t.Fatalf("seed %d: item %d is overdue and not in the batch", seed, it)
				}
			}
			for _, it := range batch.Items {
				delete(added, it)
			}
			got += len(batch.Items)
		}
	}
}

func oldest(added map[int]time.Time) int {
	first := -1
	for it := range added {
		if first < 0 || it < first {
			first = it
		}
	}
	return first
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
		for i < len(lengths) && !b.Full() {
			b.Add(now, lengths[i], i)
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
		bt.Add(now, 1+r.IntN(500), i)
		if bt.Full() {
			bt.Next(now)
		}
	}
}
