package ledger

import (
	"fmt"
	"testing"
)

func TestAContentIsWhereItIsFirst(t *testing.T) {
	c := NewContents()
	defer c.Close()
	const n = 50_000
	spot := func(i int) Spot { return Spot{uint32(i*331) % (1 << 24), uint32(i*7919) % (1 << 24)} }
	for i := range n {
		again := []Spot{spot(i), {spot(i).File, spot(i).Row + 1}, {spot(i).File + 1, 0}}
		for j := range again { // in one order or another
			c.Add(fmt.Sprint(i), "", again[(i+j)%len(again)])
		}
		c.Add(fmt.Sprint(i), "beside", spot(i+2))
	}
	c.Add("far", "", Spot{1 << 24, 0})
	c.Add("low", "", Spot{0, 1 << 24})
	c.Add("last", "", Spot{1<<24 - 1, 1<<24 - 1})
	if at, ok := c.Find("last", ""); !ok || at != (Spot{1<<24 - 1, 1<<24 - 1}) || c.Len() != 2*n+1 {
		t.Errorf("the last place is %+v, %v; %d contents", at, ok, c.Len())
	}
	for i := range n + 100 {
		one, known := c.Find(fmt.Sprint(i), "")
		two, knownToo := c.Find(fmt.Sprint(i), "beside")
		if want := i < n; known != want || knownToo != want || want && (one != spot(i) || two != spot(i+2)) {
			t.Fatalf("content %d is at %+v and %+v", i, one, two)
		}
	}
	for _, none := range [][2]string{{"far", ""}, {"low", ""}, {"1", "besid"}, {"1b", "eside"}} {
		if at, ok := c.Find(none[0], none[1]); ok {
			t.Errorf("%q is at %+v", none, at)
		}
	}
}

// BenchmarkContents reports the memory of one content, and the most that the process had meanwhile: of 100 million by `make bench-ledger`.
func BenchmarkContents(b *testing.B) {
	for b.Loop() {
		before := inside()
		c := NewContents()
		for i := range *objects {
			c.Add(fmt.Sprintf("%064x", i), "", Spot{uint32(i) >> 20, uint32(i) & (1<<20 - 1)})
		}
		each := float64(inside()-before+c.table.slabs.outside()) / float64(*objects)
		b.ReportMetric(each, "bytes/content")
		tellPeak(b)
		if each > most {
			b.Errorf("%.1f bytes a content, want %d at most", each, most)
		}
		c.Close()
	}
}
