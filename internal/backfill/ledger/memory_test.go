package ledger

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

// most is the memory of one known object at which 100 million of them take 2 GB, all heads together.
const most = 20

// objects is how many the benchmarks have.
var objects = flag.Int("objects", 4_000_000, "known objects of BenchmarkSet, and contents of BenchmarkContents")

// heads are those of the benchmark's pipeline.
func heads() []Kind { return []Kind{head("embedding"), head("labels"), head("masks")} }

// outside is what lies beside Go's heap.
func (s *slabs) outside() (bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slab := range s.all {
		bytes += int64(len(slab))
	}
	return bytes
}

// inside is what lies in Go's heap.
func inside() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// held is the memory of a set of n objects, each with three heads of some windows, from files that are read at once: an object's rows come one after another, and those of one head of some objects again at the end, as of a later run.
func held(n, windows int) (s *Set, each float64) {
	before := inside()
	s = NewSet(heads())
	const files = 4
	var all sync.WaitGroup
	for f := range files {
		all.Go(func() {
			for _, some := range [][]Kind{heads(), heads()[:1]} {
				for i := f; i < n; i += files * (1 + 9*(3-len(some))/2) {
					w := Work{URI: fmt.Sprintf("s3://box/of/objects/%d.flac", i), ETag: "d41d8cd98f00b204e9800998ecf8427e"}
					for range windows {
						for _, w.Kind = range some {
							s.Add(&w)
						}
					}
				}
			}
		})
	}
	all.Wait()
	return s, float64(inside()-before+s.table.slabs.outside()) / float64(n)
}

// TestAnObjectTakesAsMuchMemoryWithManyRowsAsWithOne: a long recording has a row for each head of each of its windows, and 100 million objects must stay below 2 GB.
func TestAnObjectTakesAsMuchMemoryWithManyRowsAsWithOne(t *testing.T) {
	const n = 1_000_000
	s, each := held(n, 1)
	defer s.Close()
	if each < 11 || each > 16 || s.Len() != 3*n {
		t.Errorf("%.1f bytes for each of %d works' objects, want 16 at most; of 20, 100 million do not stay below 2 GB", each, s.Len())
	}
}

// TestAShelfGrowsBesideTheHeap puts on one shelf what is there of 400 million objects, so that neither a larger heap nor what is copied while it grows is in memory beside it.
func TestAShelfGrowsBesideTheHeap(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, with which make race runs it, takes memory of its own")
	}
	const n = 100_000
	s := NewSet(heads())
	defer s.Close()
	at := func(i int) (k key) {
		binary.BigEndian.PutUint64(k[2:], uint64(i)*0x9e3779b97f4a7c15)
		k[0] = 1
		return k
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		if e, fresh := s.table.note(7, at(i)); !fresh {
			t.Fatalf("%d is there already", i)
		} else {
			e.v = uint8(i)
		}
	}
	runtime.ReadMemStats(&after)
	for i := range n {
		if e := s.table.find(7, at(i)); e == nil || e.v != uint8(i) {
			t.Fatalf("%d is lost", i)
		}
	}
	if s.table.find(7, at(n)) != nil || s.table.find(8, at(1)) != nil {
		t.Error("what was not noted is found")
	}
	if _, ok := reserve(slabBytes); !ok {
		t.Skip("the system gives nothing beside Go's heap")
	}
	if out := s.table.slabs.outside(); out < n*11 || out > n*most+slabBytes {
		t.Errorf("%d bytes beside the heap", out)
	}
	if in := after.TotalAlloc - before.TotalAlloc; in > n*130 { // 59 each, and up to twice that where the scheduler moves this goroutine from a processor that keeps some to one that keeps none
		t.Errorf("%d bytes of Go's heap were taken on the way, for a table of %d", in, n*11)
	}
}

// peak is the most memory that this process had, as the system counts it; 0 where it does not tell.
func peak() (kib float64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
		_, _ = fmt.Sscan(string(after), &kib)
	}
	return kib
}

// tellPeak reports the most memory that the process had, which up to 100 million objects must stay below 2 GB.
func tellPeak(b *testing.B) {
	b.Helper()
	mb := peak() / 1e6 * 1024
	b.ReportMetric(mb, "peak-MB")
	if mb > 2000 && *objects <= 100_000_000 {
		b.Errorf("the process had %.0f MB for %d objects, want 2,000 at most", mb, *objects)
	}
}

// BenchmarkSet reports the memory of one known object with three heads of one window, and the most that the process had meanwhile: of 100 million by `make bench-ledger`.
func BenchmarkSet(b *testing.B) {
	for b.Loop() {
		s, each := held(*objects, 1)
		b.ReportMetric(each, "bytes/object")
		tellPeak(b)
		if each > most {
			b.Errorf("%.1f bytes an object, want %d at most", each, most)
		}
		s.Close()
	}
}
