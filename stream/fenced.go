package stream

import (
	"fmt"
	"time"
)

// fencedAgain is for how long after an assignment was begun anew for it another ErrFenced ends the pipeline.
const fencedAgain = 10 * time.Minute

// outpaced answers a sink's ErrFenced: its output ends before what it was to take next, because another owner began it elsewhere, or because somebody took a part of it back, as who rolls a table back does. Only
// Resume can tell where to go on. So the assignment ends, as for a rebalance, and the next one asks. What the output lacks is read again then, and what it has is not written twice; an owner that is one no
// longer learns that at the end of its assignment, and joins as a new member. An output that goes back again within fencedAgain is nobody's slip: something else writes to it, and the pipeline ends, lest it computes the same records for ever.
func (ep *epoch) outpaced(r *Release, err error) {
	ep.mu.Lock()
	again := ep.mu.outpaced
	ep.mu.outpaced = true
	ep.mu.Unlock()
	if again {
		return
	}
	c, ok := ep.committer.(Restarter)
	if !ok || !ep.p.mayRestart(time.Now()) {
		ep.p.fail(r.failed(err))
		return
	}
	ep.p.cfg.Log.Warn("the output ends before what it was to take next: it was taken back, or another writer began it elsewhere; looking again where it ends", "err", r.failed(err))
	c.Restart()
}

// mayRestart says whether an assignment may be begun anew for an output that ends elsewhere, and notes that it is.
func (p *Pipeline) mayRestart(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.fenced.IsZero() && now.Sub(p.mu.fenced) < fencedAgain {
		return false
	}
	p.mu.fenced = now
	return true
}

// failed is a sink's error about the release.
func (r *Release) failed(err error) error {
	return fmt.Errorf("writing %s [%d, %d): %w", r.Range.Source, r.Range.First, r.Range.Next, err)
}
