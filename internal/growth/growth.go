// Package growth is for tests of what must cost the same however much there is: a commit of ten partitions among a hundred thousand, a slot that the next of ten thousand gets. It compares the
// shortest of many times of few with that of many, which holds on a busy machine, too: what looks at each of many takes hundreds of times as long, and other programs do not come between every time.
package growth

import (
	"testing"
	"time"
)

// most is how many times as long something may take of many: memory is slower where there is more of it.
const most = 20

// times is how often a thing is done to find out what it takes.
const times = 50

// Check does what prepare gives for few and for many, and fails the test if it takes longer of many.
func Check(tb testing.TB, few, many int, prepare func(n int) func()) {
	tb.Helper()
	a, b := least(prepare(few)), least(prepare(many))
	tb.Logf("%v of %d, %v of %d", a, few, b, many)
	if b > most*max(a, time.Microsecond) { // what is less is the clock
		tb.Errorf("it takes %v of %d, and %v of %d", a, few, b, many)
	}
}

// least is what f takes when nothing comes between.
func least(f func()) time.Duration {
	best := time.Hour
	for range times {
		began := time.Now()
		f()
		best = min(best, time.Since(began))
	}
	return best
}
