//go:build integration

package crash

import (
	"testing"
	"time"

	"vecmill/integration/fixture"
)

const (
	// openAtStop is how many records are open, at least, when a worker is told to stop.
	openAtStop = 900

	// mostRedo is the share of work that may be done twice when workers come and go in good order: they drain and commit before they
	// give partitions up, so none.
	mostRedo = 0
)

// testRolling replaces each of three workers while records arrive.
func testRolling(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "rolling")
	w := newCrew(l, slowStore(t, site, l.config(t, 6*time.Second)))
	l.publish(t, openAtStop)
	for range 3 { // the second and the third one join while the others work
		w.start(t)
		l.topUp(t, openAtStop)
	}
	l.awaitMembers(t, 3)
	busy := 0 // stops after which there was work left: the worker had its hands full
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for range 3 {
			l.topUp(t, openAtStop)
			w.stop(t)
			if l.unfinished(t) > 0 {
				busy++
			}
			w.start(t)
		}
	}
	if busy == 0 {
		t.Error("all work was done whenever a worker had stopped: it proves nothing")
	}
	l.topUp(t, openAtStop)
	w.finish(t)
	l.check(t)
	l.checkCommand(t, w.c)
	w.checkRedo(t, mostRedo)
}

// testScale takes three workers to one and back.
func testScale(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "scale")
	w := newCrew(l, slowStore(t, site, l.config(t, 6*time.Second)))
	l.publish(t, openAtStop)
	w.start(t)
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for range 2 {
			w.start(t)
			l.topUp(t, openAtStop)
		}
		l.awaitMembers(t, 3)
		for range 2 {
			l.topUp(t, openAtStop)
			w.stop(t)
		}
		l.awaitMembers(t, 1)
	}
	for range 2 {
		l.topUp(t, openAtStop)
		w.start(t)
	}
	l.awaitMembers(t, 3)
	l.topUp(t, openAtStop)
	w.finish(t)
	l.check(t)
	l.checkCommand(t, w.c)
	w.checkRedo(t, mostRedo)
}
