package ledger

import (
	"fmt"
	"runtime"
	"testing"
)

func TestATextIsFreshOnce(t *testing.T) {
	var s Seen
	const n = 300_000
	for i := range n {
		if !s.Add(fmt.Sprint(i)) {
			t.Fatalf("%d is there already", i)
		}
		if s.Add(fmt.Sprint(i / 2)) {
			t.Fatalf("%d is fresh again", i/2)
		}
	}
}

// BenchmarkSeen reports the memory of one text; 100 million of them must stay below 2 GB.
func BenchmarkSeen(b *testing.B) {
	const n = 4_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := &Seen{}
		for i := range n {
			s.Add(fmt.Sprint(i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/text")
		runtime.KeepAlive(s)
	}
}
