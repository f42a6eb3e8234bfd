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

// Begin notes that somebody begins now, and says when that is. The clock is read under the lock, here and below: the total never steps back, as it would if somebody who looked at it earlier came later.
func (o *Occupied) Begin() (now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now = time.Now()
	if o.mu.zero.IsZero() {
		o.mu.zero = now
	}
	o.mu.sum -= now.Sub(o.mu.zero)
	o.mu.inside++
	return now
}

// End notes that somebody who began ends now.
func (o *Occupied) End() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.sum += time.Since(o.mu.zero)
	o.mu.inside--
}

// Total is the sum until now.
func (o *Occupied) Total() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.sum + time.Duration(o.mu.inside)*time.Since(o.mu.zero)
}
