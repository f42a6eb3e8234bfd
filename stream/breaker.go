package stream

import "sync"

// BreakerConfig says when failures are the system's and not the data's.
type BreakerConfig struct {
	Window      int // last records looked at; 0 turns the breaker off
	MaxFailures int // so many failures among them stop the pipeline
}

// breaker counts failures among the last records.
type breaker struct {
	cfg BreakerConfig
	mu  struct {
		sync.Mutex
		ring     []bool
		at, seen int
		failures int
	}
}

func newBreaker(cfg BreakerConfig) *breaker {
	b := &breaker{cfg: cfg}
	b.mu.ring = make([]bool, cfg.Window)
	return b
}

// record adds an outcome and says whether it is the one that opens the breaker.
func (b *breaker) record(failed bool) bool {
	if b.cfg.Window == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.ring[b.mu.at] {
		b.mu.failures--
	}
	b.mu.ring[b.mu.at] = failed
	b.mu.at = (b.mu.at + 1) % len(b.mu.ring)
	if !failed {
		return false
	}
	b.mu.failures++
	return b.mu.failures == b.cfg.MaxFailures
}
