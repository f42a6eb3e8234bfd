package stream

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"vecmill/embed"
	"vecmill/internal/budget"
)

// What was reserved and never taken in this process leaves no garbage, however often it comes; what is large is collected each time that it is given back.
func TestOnlyLargeGarbageIsCollected(t *testing.T) {
	const mib = 1 << 20
	type down struct{ to, took int64 }
	for name, c := range map[string]struct {
		reserved int64
		down     []down
		want     int
	}{
		"a small object":                     {8 * mib, []down{{mib, embed.AllOfIt}, {0, embed.AllOfIt}}, 0},
		"a large object":                     {200 * mib, []down{{mib, embed.AllOfIt}, {0, embed.AllOfIt}}, 1},
		"large rows":                         {200 * mib, []down{{100 * mib, embed.AllOfIt}, {0, embed.AllOfIt}}, 2},
		"a small one with room for a large":  {800 * mib, []down{{2 * mib, 20 * mib}, {0, embed.AllOfIt}}, 0},
		"a large one with room for more":     {800 * mib, []down{{2 * mib, 50 * mib}, {0, embed.AllOfIt}}, 1},
		"more than is reserved is not there": {20 * mib, []down{{0, 100 * mib}}, 0},
		"one of which nothing came":          {800 * mib, []down{{0, embed.AllOfIt}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			p := &Pipeline{garbage: &collector{free: func() { n++ }}}
			b := budget.New(1<<30, 1)
			lease, err := b.Enter(0, false).Reserve(t.Context(), c.reserved)
			if err != nil {
				t.Fatal(err)
			}
			it := &item{lease: lease}
			for _, d := range c.down {
				p.giveBack(it, d.to, d.took)
				if b.Held() != d.to {
					t.Errorf("%d bytes are held, want %d", b.Held(), d.to)
				}
			}
			if n != c.want {
				t.Errorf("collected %d times, want %d", n, c.want)
			}
		})
	}
}

// Those who come while garbage is collected wait for one more time together, since what they left may have been passed over.
func TestCollectionsAreShared(t *testing.T) {
	var times atomic.Int64
	begun, goOn := make(chan struct{}), make(chan struct{})
	c := &collector{free: func() {
		times.Add(1)
		begun <- struct{}{}
		<-goOn
	}}
	var wg sync.WaitGroup
	wg.Go(c.collect)
	<-begun
	const others = 10
	for range others {
		wg.Go(c.collect)
	}
	for came := 0; came < others; { // all share the one that has not begun
		runtime.Gosched()
		c.mu.Lock()
		if c.mu.next != nil {
			came = c.mu.next.shared
		}
		c.mu.Unlock()
	}
	goOn <- struct{}{}
	<-begun
	goOn <- struct{}{}
	wg.Wait()
	if n := times.Load(); n != 2 {
		t.Errorf("collected %d times for one and then %d, want 2", n, others)
	}
}
