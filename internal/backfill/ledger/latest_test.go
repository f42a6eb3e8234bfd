package ledger

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestTheLatestRowOfAReferenceIsTakenOnce notes records of two sources in any order, some with several rows of which those of an earlier record were made later.
func TestTheLatestRowOfAReferenceIsTakenOnce(t *testing.T) {
	type noted struct {
		ref string
		row Row
	}
	var all []noted
	const n = 20_000
	for i := range n {
		ref := fmt.Sprint("ref ", i)
		for offset := range int64(1 + i%3) {
			for window := range int64(2) {
				all = append(all, noted{ref, Row{0, offset, 100 + offset - 5*window*(1-offset)}})
			}
		}
		if i%5 == 0 { // another source has it, too, later or earlier
			all = append(all, noted{ref, Row{1, 7, int64(50 + 100*(i%2))}})
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	l := &Latest{}
	for _, x := range all {
		l.Note(x.ref, x.row)
	}
	took := map[string]Row{}
	for _, x := range all {
		if l.Take(x.ref, x.row) {
			if _, again := took[x.ref]; again {
				t.Fatalf("%s is taken twice", x.ref)
			}
			took[x.ref] = x.row
		}
	}
	for i := range n {
		source, offset := int32(0), int64(i%3)
		if i%5 == 0 && i%2 == 1 {
			source, offset = 1, 7
		}
		if got, ok := took[fmt.Sprint("ref ", i)]; !ok || got.Source != source || got.Offset != offset {
			t.Fatalf("of reference %d %+v is taken (%v), want offset %d of source %d", i, got, ok, offset, source)
		}
	}
	if l.Take("another", Row{}) || (&Latest{}).Take("any", Row{}) {
		t.Error("what was not noted is taken")
	}
}

// TestTheLatestOfSeveralSourcesIsTheSameInAnyOrder has a record that was made last of all, behind which another one of its source is, and another source between the two.
func TestTheLatestOfSeveralSourcesIsTheSameInAnyOrder(t *testing.T) {
	superseded, last, other := Row{0, 2, 900}, Row{0, 7, 300}, Row{1, 5, 500}
	for _, rows := range [][]Row{
		{superseded, last, other}, {superseded, other, last}, {last, superseded, other}, {last, other, superseded}, {other, superseded, last}, {other, last, superseded},
	} {
		l := &Latest{}
		for _, r := range rows {
			l.Note("a", r)
		}
		var took []Row
		for _, r := range append(rows, rows...) {
			if l.Take("a", r) {
				took = append(took, r)
			}
		}
		if len(took) != 1 || took[0] != other {
			t.Errorf("of %v %v are taken, want %v", rows, took, other)
		}
	}
}

// TestWhatWasNotedIsBehindEarlierRowsAlone by the offset in its own source, by the time from another one.
func TestWhatWasNotedIsBehindEarlierRowsAlone(t *testing.T) {
	var l Latest
	if l.Behind("a", Row{}) {
		t.Error("nothing was noted")
	}
	l.Note("a", Row{1, 10, 100})
	l.Note("a", Row{1, 7, 300}) // of a clock that is fast
	l.Note("c", Row{1, 10, 100})
	l.Note("c", Row{2, 3, 300})
	for _, c := range []struct {
		ref  string
		row  Row
		want bool
	}{
		{"a", Row{1, 9, 400}, true},
		{"a", Row{1, 10, 100}, false},
		{"a", Row{1, 11, 50}, false},
		{"a", Row{2, 50, 99}, true},
		{"a", Row{2, 5, 100}, false},
		{"a", Row{2, 5, 101}, false},
		{"b", Row{1, 0, 0}, false},
		{"c", Row{1, 9, 400}, true},
		{"c", Row{1, 11, 200}, true},
		{"c", Row{1, 11, 350}, false},
		{"c", Row{2, 4, 50}, true},
		{"c", Row{2, 4, 150}, false},
	} {
		if got := l.Behind(c.ref, c.row); got != c.want {
			t.Errorf("%s %+v: %v", c.ref, c.row, got)
		}
	}
}

// BenchmarkLatest reports the memory of one reference.
func BenchmarkLatest(b *testing.B) {
	const n = 2_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l := &Latest{}
		for i := range n {
			l.Note(fmt.Sprint(i), Row{0, int64(i), int64(i)})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/ref")
		runtime.KeepAlive(l)
	}
}
