package embed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestPackerScript runs testdata/packer.txt: the schedule of the packer as a script, to be read as its specification. An item is given as
// name:cost, and comes as name@row+begin.
func TestPackerScript(t *testing.T) {
	var p *Packer[string]
	start := time.Unix(0, 0)
	now := start
	datadriven.RunTest(t, "testdata/packer.txt", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "new":
			cfg := BatcherConfig{MaxCost: 1, MaxItems: 8, Window: 8, Linger: 5 * time.Millisecond, MaxAge: 50 * time.Millisecond}
			g := &Packing{Items: 8}
			for _, a := range d.CmdArgs {
				field, known := map[string]*int{"row": &g.Row, "rows": &g.Rows, "gap": &g.Gap, "items": &cfg.MaxItems}[a.Key]
				if !known {
					t.Fatalf("unknown setting %s", a.Key)
				}
				*field = atoi(t, a.Vals[0])
			}
			p, now = NewPacker[string](cfg, g), start
			return "ok"
		case "add":
			for f := range strings.FieldsSeq(d.Input) {
				name, cost, _ := strings.Cut(f, ":")
				p.Add(now, Live, 1, atoi(t, cost), name)
			}
			return fmt.Sprintf("waiting %d full=%t", p.Len(), p.Full(Live))
		case "at":
			now = start.Add(time.Duration(atoi(t, d.CmdArgs[0].Key)) * time.Millisecond)
			return "ok"
		case "next":
			b, wait := p.Next(now)
			if b == nil {
				return fmt.Sprintf("none, come back in %s", wait)
			}
			var items []string
			for i, name := range b.Items {
				items = append(items, fmt.Sprintf("%s@%d+%d", name, b.Layout.places[i].row, b.Layout.places[i].at))
			}
			return fmt.Sprintf("%s cost=%d shape=%dx%d left=%d", strings.Join(items, " "), b.Cost, b.Layout.Rows, b.Layout.Length, p.Len())
		}
		t.Fatalf("unknown command %s", d.Cmd)
		return ""
	})
}

// TestPackerKeepsEveryItemAndTheShapes drives random schedules: every item comes out once, the oldest is in the next batch, items lie in their rows, apart by the gap,
// and shapes come from the fixed set.
func TestPackerKeepsEveryItemAndTheShapes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := &Packing{Row: 1 + r.IntN(700), Rows: 1 + r.IntN(9), Gap: r.IntN(12), Items: 4}
		cfg := BatcherConfig{MaxCost: 1, MaxItems: 1 + r.IntN(16), Linger: time.Duration(r.IntN(10)) * time.Millisecond, MaxAge: 40 * time.Millisecond}
		cfg.Window = cfg.MaxItems + r.IntN(64)
		p := NewPacker[int](cfg, g)
		now := time.Unix(0, 0)
		added, costs, shapes := map[int]time.Time{}, map[int]int{}, map[[2]int]bool{}
		for sent, got := 0, 0; got < 500; {
			now = now.Add(time.Duration(r.IntN(4)) * time.Millisecond)
			for sent < 500 && !p.Full(Live) && r.IntN(3) > 0 {
				costs[sent], added[sent] = 1+r.IntN(600), now
				p.Add(now, Live, 1, costs[sent], sent)
				sent++
			}
			b, wait := p.Next(now)
			if b == nil {
				if p.Len() > 0 && wait <= 0 {
					t.Fatalf("seed %d: %d wait and the packer says to come back in %s", seed, p.Len(), wait)
				}
				continue
			}
			if first := slices.Min(slices.Collect(maps.Keys(added))); !slices.Contains(b.Items, first) {
				t.Fatalf("seed %d: the oldest item %d is not in the batch %v", seed, first, b.Items)
			}
			if len(b.Items) > cfg.MaxItems || len(b.Items) != len(b.Waited) || p.Len() != sent-got-len(b.Items) {
				t.Fatalf("seed %d: %d items of %d, %d waited, %d left", seed, len(b.Items), cfg.MaxItems, len(b.Waited), p.Len())
			}
			checkLayout(t, g, b, costs)
			if b.Layout.Length <= g.Row {
				shapes[[2]int{b.Layout.Rows, b.Layout.Length}] = true
			}
			for _, it := range b.Items {
				if _, ok := added[it]; !ok {
					t.Fatalf("seed %d: item %d came out twice", seed, it)
				}
				delete(added, it)
			}
			got += len(b.Items)
		}
		if len(shapes) > 4+4 { // four lengths of one row; 2, 4, 8 and 9 rows
			t.Fatalf("seed %d: %d shapes: %v", seed, len(shapes), shapes)
		}
	}
}

// TestABatchIsHalvedByRows halves random batches until their items are alone: they lie in their rows, apart by the gap, in shapes of the fixed set, each half in half of the rows, or of
// a row at most.
func TestABatchIsHalvedByRows(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 5))
		g := &Packing{Row: 20 + r.IntN(200), Rows: 1 << r.IntN(5), Gap: r.IntN(12), Items: 4}
		cfg := BatcherConfig{MaxCost: 1, MaxItems: 1 + r.IntN(64), Window: 64}
		p := NewPacker[int](cfg, g)
		costs := map[int]int{}
		for i := range 64 {
			costs[i] = 1 + r.IntN(g.Row)
			p.Add(time.Unix(0, 0), Live, 1, costs[i], i)
		}
		b, _ := p.Next(time.Unix(0, 0))
		var samples []Sample
		for _, it := range b.Items {
			samples = append(samples, Sample{Cost: costs[it]})
		}
		var halve func(l *Layout, from, to int)
		halve = func(l *Layout, from, to int) {
			part := &Batch[int]{Items: b.Items[from:to], Layout: l, Padded: l.Steps()}
			for _, s := range samples[from:to] {
				part.Cost += s.Cost
			}
			checkLayout(t, g, part, costs)
			if to-from == 1 {
				return
			}
			middle := l.middle(to - from)
			first, second := g.part(l, samples[from:to], 0, middle), g.part(l, samples[from:to], middle, to-from)
			if most := max(l.Rows/2, 1); first.Rows > most || second.Rows > most || first.Length > l.Length || second.Length > l.Length {
				t.Fatalf("seed %d: %d rows of %d are halved to %d of %d and %d of %d", seed, l.Rows, l.Length, first.Rows, first.Length, second.Rows, second.Length)
			}
			halve(first, from, from+middle)
			halve(second, from+middle, to)
		}
		halve(b.Layout, 0, len(b.Items))
	}
	if (*Packing)(nil).part(nil, nil, 0, 0) != nil || (*Layout)(nil).middle(7) != 3 {
		t.Error("a padded batch is not halved by its number of items")
	}
}

// checkLayout marks every step that an item or its gap takes.
func checkLayout(t *testing.T, g *Packing, b *Batch[int], costs map[int]int) {
	t.Helper()
	l, useful := b.Layout, 0
	taken := make([][]bool, l.Rows)
	for i := range taken {
		taken[i] = make([]bool, l.Length+g.Gap)
	}
	for i, it := range b.Items {
		at, cost := l.places[i], costs[it]
		useful += cost
		if at.row >= l.Rows || at.at+cost > l.Length {
			t.Fatalf("item of %d steps at %+v in %d rows of %d", cost, at, l.Rows, l.Length)
		}
		for k := at.at; k < at.at+cost+g.Gap; k++ {
			if k < len(taken[at.row]) {
				if taken[at.row][k] {
					t.Fatalf("two items, or an item and a gap, at step %d of row %d", k, at.row)
				}
				taken[at.row][k] = true
			}
		}
	}
	alone := len(b.Items) == 1 && l.Rows == 1 && l.Length%g.Row == 0
	if b.Cost != useful || b.Padded != l.Rows*l.Length || l.Rows > g.Rows || l.Length > g.Row && !alone {
		t.Fatalf("a batch of cost %d padded %d in %d rows of %d, most %d of %d", b.Cost, b.Padded, l.Rows, l.Length, g.Rows, g.Row)
	}
}

// TestPackedRowsAreFull states why rows are packed: shapes are constant, and of the log-normal lengths that the batcher's test has less than 3 % is padding.
func TestPackedRowsAreFull(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	p := NewPacker[int](BatcherConfig{MaxCost: 4096, MaxItems: 256, Window: 512, Linger: time.Millisecond, MaxAge: time.Second}, &Packing{Row: 512, Rows: 8, Items: 256})
	now := time.Unix(0, 0)
	useful, padded, shapes := 0, 0, map[[2]int]bool{}
	for i := 0; i < 8192; {
		for ; i < 8192 && !p.Full(Live); i++ {
			p.Add(now, Live, 1, min(max(int(20*exp(r.NormFloat64()*0.9)), 3), 512), i)
		}
		if b, _ := p.Next(now); b != nil && i < 8192 { // while items come: what is left in the end has shapes of its own
			useful, padded = useful+b.Cost, padded+b.Padded
			shapes[[2]int{b.Layout.Rows, b.Layout.Length}] = true
		}
	}
	ratio := float64(padded) / float64(useful)
	t.Logf("padding ratio %.3f in the shapes %v", ratio, shapes)
	if ratio > 1.03 || len(shapes) != 1 {
		t.Errorf("padding ratio %.3f in the shapes %v", ratio, shapes)
	}
}

func BenchmarkPacker(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	p := NewPacker[int](BatcherConfig{MaxCost: 1, MaxItems: 256, Window: 512, Linger: 0, MaxAge: time.Second}, &Packing{Row: 512, Rows: 32, Items: 256})
	now := time.Unix(0, 0)
	for i := range b.N {
		p.Add(now, Live, 1, 1+r.IntN(500), i)
		if p.Full(Live) {
			p.Next(now)
		}
	}
}
