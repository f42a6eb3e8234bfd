package simulate

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errCrashed is what a crashed process's calls to the outside give. Nothing of them reaches it.
var errCrashed = errors.New("simulate: the process has crashed")

// process is the boundary between one worker and the world. Every request passes it; it can be closed for good (a crash), for a while (a pause), or in the
// middle of an effect.
type process struct {
	name string
	tr   *trace
	d    draws
	kill context.CancelFunc // ends the worker's goroutines, as they have nothing to end them but us
	stop context.CancelFunc // SIGTERM
	done chan struct{}      // closed when the worker has ended

	mu struct {
		sync.Mutex
		dead    bool
		ended   error // why the worker ended; valid once done is closed
		effects int
		crashAt int           // the effect in the middle of which it crashes; 0: never
		pauseAt int           // the effect at which it pauses; 0: never
		pauses  time.Duration // and for how long
		thawed  chan struct{} // nil: not paused
		waited  int64         // calls that a pause has held up so far
		apart   bool          // it does not reach the broker
	}
}

// isolate cuts the process off from the broker, or joins it again. The cloud stays in reach.
func (p *process) isolate(apart bool) { p.mu.Lock(); defer p.mu.Unlock(); p.mu.apart = apart }

func (p *process) isolated() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.apart }

func (p *process) crashed() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.dead }

// crash is SIGKILL.
func (p *process) crash(why string) {
	p.mu.Lock()
	was := p.mu.dead
	p.mu.dead = true
	p.thawLocked()
	p.mu.Unlock()
	if !was {
		p.tr.add(p.name, "crashes: %s", why)
		p.kill()
	}
}

// crashAfter arms a crash in the middle of the n-th effect from now on.
func (p *process) crashAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.crashAt = p.mu.effects + n
}

// pauseAfter arms a pause of d at the n-th effect from now on: the request is made, and leaves only when the process goes on, as a zombie's does.
func (p *process) pauseAfter(n int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.pauseAt, p.mu.pauses = p.mu.effects+n, d
}

// pause is SIGSTOP: requests neither leave nor come back. The process's own timers go on, which no one outside can see.
func (p *process) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.thawed == nil && !p.mu.dead {
		p.mu.thawed = make(chan struct{})
	}
}

// thaw is SIGCONT.
func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thawLocked()
}

func (p *process) thawLocked() {
	if p.mu.thawed != nil {
		close(p.mu.thawed)
		p.mu.thawed = nil
	}
}

// pass waits while the process is paused, and fails if it has crashed. Who has waited goes on a moment after the thaw, each at its own.
func (p *process) pass() error {
	for {
		p.mu.Lock()
		dead, thawed := p.mu.dead, p.mu.thawed
		if thawed != nil {
			p.mu.waited++
		}
		n := p.mu.waited
		p.mu.Unlock()
		switch {
		case dead:
			return errCrashed
		case thawed == nil:
			return nil
		}
		<-thawed
		time.Sleep(span(p.d.of(p.name+" thaw", n), time.Microsecond, 50*time.Millisecond))
	}
}

// effect is the moment of one: act, unless the process crashes now. Then remains, if it is to be, is what the world still sees of it.
func (p *process) effect(what string, seen bool, act func() error, remains func()) error {
	if err := p.pass(); err != nil {
		return err
	}
	p.mu.Lock()
	p.mu.effects++
	now, paused, pauses := p.mu.effects == p.mu.crashAt, p.mu.effects == p.mu.pauseAt, p.mu.pauses
	p.mu.Unlock()
	if paused {
		p.tr.add(p.name, "pauses for %v at %s", pauses, what)
		p.pause()
		time.AfterFunc(pauses, p.thaw)
		if err := p.pass(); err != nil {
			return err
		}
	}
	if !now {
		return act()
	}
	p.crash("in the middle of " + what)
	if seen {
		remains() // the process never learns of it
	}
	return errCrashed
}

// sleep waits for d and then until the process runs. It fails if ctx ends or the process crashes.
func (p *process) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	if err := p.pass(); err != nil {
		return err
	}
	return ctx.Err()
}
