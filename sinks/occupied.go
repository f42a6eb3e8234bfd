package sinks

import (
	"sync"
	"time"
)

// Occupied sums how long something was busy, over those that were at it beside each other and with those that still are: a call that hangs is seen while it hangs. It is safe
// for concurrent use; the zero value has had none.
type Occupied struct {
	mu struct {
		sync.Mutex
		zero   time.Time     // of the times in sum
		sum    time.Duration // ends of those that have left, less begins of all
		inside int           // that have begun and not ended
	}
}

// Begin notes that somebody begins at now.
func (o *Occupied) Begin(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.zero.IsZero() {
		o.mu.zero = now
	}
	o.mu.sum -= now.Sub(o.mu.zero)
	o.mu.inside++
}

// End notes that somebody who began ends at now.
func (o *Occupied) End(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.sum += now.Sub(o.mu.zero)
	o.mu.inside--
}

// Total is the sum until now.
func (o *Occupied) Total(now time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.sum + time.Duration(o.mu.inside)*now.Sub(o.mu.zero)
}
