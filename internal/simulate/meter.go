package simulate

import (
	"maps"
	"strings"
	"sync"
	"time"
)

// Meter counts what processes do and ask for, second by second of virtual time.
type Meter struct {
	start time.Time
	mu    struct {
		sync.Mutex
		counts map[measure][]int // by second
	}
}

// measure is one process's one kind of thing.
type measure struct{ who, what string }

func newMeter(start time.Time) *Meter {
	m := &Meter{start: start}
	m.mu.counts = map[measure][]int{}
	return m
}

// add counts n things now.
func (m *Meter) add(who, what string, n int) {
	at := int(time.Since(m.start) / time.Second)
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.mu.counts[measure{who, what}]
	for len(counts) <= at {
		counts = append(counts, 0)
	}
	counts[at] += n
	m.mu.counts[measure{who, what}] = counts
}

// Between is how many things whose kind begins so each process did in the seconds [from, to); those that did none are left out.
func (m *Meter) Between(what string, from, to int) map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for k, counts := range m.mu.counts {
		if !strings.HasPrefix(k.what, what) {
			continue
		}
		for at := from; at < min(to, len(counts)); at++ {
			out[k.who] += counts[at]
		}
	}
	maps.DeleteFunc(out, func(_ string, n int) bool { return n == 0 })
	return out
}
