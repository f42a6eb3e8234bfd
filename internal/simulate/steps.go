package simulate

import (
	"context"
	"fmt"
	"time"
)

// livelock is how long members of the in-process Kafka may fail to form a group: kfake begins the time-out of a rebalance anew with every join, so
// that members whose joins time out in turn keep each other waiting for ever. Kafka does not: its time-out runs from the first join.
const livelock = time.Minute

// thin leaves one worker, which then is a group by itself.
func (w *world) thin() {
	for _, s := range w.slots[1:] {
		s.want(false)
		if p := s.process(); p != nil {
			p.stop()
		}
	}
}

// backOff is how long a slot waits from the start of one process to the start of the next.
const backOff = 2 * time.Second

// tend is the supervisor: it starts a process where one is wanted and none runs.
func (w *world) tend() {
	if w.now() >= w.plan.Calm {
		w.slots[0].want(true)
	}
	for _, s := range w.slots {
		if !s.vacant() || s.runs > 0 && time.Since(s.since) < backOff {
			continue
		}
		s.runs++
		s.since = time.Now()
		w.count(func(c *Coverage) { c.Starts++ })
		p := w.launch(fmt.Sprintf("w%d.%d", s.number, s.runs))
		s.mu.Lock()
		s.mu.now = p
		s.mu.Unlock()
	}
}

// slot finds a step's slot.
func (w *world) slot(number int) *slot {
	if number != Owner {
		return w.slots[number]
	}
	name := w.group.ownerOf(0)
	for _, s := range w.slots {
		if p := s.process(); p != nil && p.name == name {
			return s
		}
	}
	return w.slots[0]
}

// perform does one step of the plan at its time.
func (w *world) perform(ctx context.Context, st Step) {
	wait := func(d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !wait(st.At) {
		return
	}
	s := w.slot(st.Slot)
	p := s.process()
	w.tr.add("plan", "%s slot %d", st.Do, st.Slot)
	switch st.Do {
	case Rebalance:
		w.group.rebalance()
	case Start:
		s.want(true)
	case Remove:
		s.want(false)
		if p != nil {
			p.stop()
		}
	case Suspend:
		w.suspend(wait, st.For)
	}
	if p == nil {
		return
	}
	switch st.Do {
	case Crash:
		w.count(func(c *Coverage) { c.Crashes++ })
		p.crash("killed")
	case CrashAt:
		w.count(func(c *Coverage) { c.Crashes++ })
		p.crashAfter(st.N)
	case Terminate:
		p.stop()
	case Pause:
		w.count(func(c *Coverage) { c.Pauses++ })
		p.pause()
		wait(min(st.For, w.plan.Calm-w.now()))
		p.thaw()
	case PauseAt:
		w.count(func(c *Coverage) { c.Pauses++ })
		p.pauseAfter(st.N, st.For)
	case Isolate:
		p.isolate(true)
		wait(min(st.For, w.plan.Calm-w.now()))
		p.isolate(false)
	}
}

// suspend stops every process and the broker: for them the clock jumps.
func (w *world) suspend(wait func(time.Duration) bool, d time.Duration) {
	add := func(n int) {
		w.mu.Lock()
		w.mu.suspended += n
		w.mu.Unlock()
	}
	add(1)
	var stopped []*process
	for _, s := range w.slots {
		if p := s.process(); p != nil {
			p.pause()
			stopped = append(stopped, p)
		}
	}
	wait(min(d, w.plan.Calm-w.now()))
	add(-1)
	for _, p := range stopped {
		p.thaw()
	}
}
