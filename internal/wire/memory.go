package wire

import (
	"bytes"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/internal/resident"
)

// PeakMemory is the largest resident set that this process has had, in bytes; 0 where the system does not say, as elsewhere than on Linux.
func PeakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	size, _, _ := bytes.Cut(rest, []byte(" kB"))
	kb, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// residentMemory is the resident set now, as PeakMemory.
func residentMemory() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	words := bytes.Fields(statm)
	if len(words) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(words[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// trimMemory gives back what only the start until now has needed.
func trimMemory(log *slog.Logger) {
	if err := resident.Trim(); err != nil {
		log.Debug("what the start has needed stays in memory", "err", err)
	}
}

// watchMemory gives back what is not needed, and then looks at the resident set until peak is called, which gives the largest that it saw.
func watchMemory() (peak func() int64) {
	debug.FreeOSMemory()
	most := residentMemory()
	ended := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		t := time.NewTicker(20 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ended:
				return
			case <-t.C:
				most = max(most, residentMemory())
			}
		}
	})
	return func() int64 {
		close(ended)
		looking.Wait()
		return max(most, residentMemory())
	}
}

// memoryOf adds what a run of a configuration holds to what computing took.
func memoryOf(c *config.Config, computing int64, expected []backfill.Expectation) Memory {
	if computing == 0 {
		return Memory{}
	}
	m := Memory{Computing: computing, Peak: computing, Most: computing + heapLimit(c)}
	for i := range expected {
		m.Peak += int64(expected[i].Held)
	}
	for i := range c.Pipelines {
		m.Peak += pastBytes(&c.Pipelines[i])
	}
	m.Peak = min(m.Peak, m.Most)
	return m
}
