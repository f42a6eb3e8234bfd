//go:build iceberg

package icebergcatalog

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/icebergsink"
)

// BenchmarkFiles reports the memory of a table's list of files, of each of 100,000 with the bounds of 30 columns: what a scan keeps of it, and the most that the heap had while it was made.
func BenchmarkFiles(b *testing.B) {
	const commits, files, columns = 10, 10_000, 30
	l := lake{b.TempDir()}
	c := l.config(schemas.Tasks()...)
	tbl, err := Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer tbl.Close()
	for n := range commits {
		v, err := tbl.Load(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var d icebergsink.Delta
		for i := range files {
			f := icebergsink.File{URL: fmt.Sprintf("s3://lake/warehouse/ns/rows/data/pipeline=calls/00000-%06d-0a7e1c52-4ed5-4b5e-9d0c-1f1b2c3d4e5f.parquet", n*files+i), Rows: 5000, Bytes: 64 << 20, Columns: map[int]icebergsink.Column{}}
			for k := range columns {
				bound := fmt.Appendf(nil, "%016d", i+k)
				f.Columns[k+1] = icebergsink.Column{Bytes: 1 << 20, Values: 5000, Lower: bound, Upper: bound}
			}
			d.Data = append(d.Data, f)
		}
		if err := tbl.Append(withFiles(b.Context(), openFile), v, d, map[string]string{}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		s, err := OpenSnapshot(b.Context(), c, nil)
		if err != nil {
			b.Fatal(err)
		}
		before, peak := heap(), peakHeap()
		scan, err := s.Scan(b.Context(), "", "uri")
		if err != nil || len(scan.Files) != commits*files {
			b.Fatal(len(scan.Files), err)
		}
		most := peak()
		b.ReportMetric(float64(heap()-before)/(commits*files), "bytes/file")
		b.ReportMetric(float64(most-before)/(commits*files), "peak-bytes/file")
		runtime.KeepAlive(scan)
		s.Close()
	}
}

// heap is what is alive.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// peakHeap looks at the heap until it is asked for the most that it saw.
func peakHeap() (most func() int64) {
	var peak uint64
	ended := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() int64 {
		close(ended)
		looking.Wait()
		return int64(peak)
	}
}
