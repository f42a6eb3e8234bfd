//go:build integration

package crash

import (
	"testing"
	"time"

	"vecmill/integration/fixture"
)

// session is the time after which the broker misses a silent member in the tests of outages.
const session = 6 * time.Second

// testSleeper freezes one of two workers, has a third one join so that the group rebalances without the sleeper's word, and wakes the sleeper
// in the middle of that or when it is over.
func testSleeper(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "sleeper")
	w := newCrew(l, slowStore(t, site, l.config(t, session)))
	l.publish(t, openAtStop)
	w.start(t)
	w.start(t)
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for _, asleep := range []time.Duration{session / 3, session + 4*time.Second} {
			l.topUp(t, openAtStop)
			sleeper := w.working[0]
			sleeper.Pause(t)
			joins := site.StartWorker(t, l.topic+"-joins", w.c)
			time.Sleep(asleep)
			l.topUp(t, openAtStop) // the others may have done all of it meanwhile
			sleeper.Resume(t)
			l.awaitMembers(t, 3)
			joins.WaitForLog(t, "assigned", time.Minute)
			l.topUp(t, openAtStop)
			fixture.Stop(t, joins)
		}
	}
	w.finish(t)
	l.check(t)
	l.checkCommand(t, w.c)
}

// testBroker kills the broker while two workers work, whose dead letters go to a topic: for a moment, and for longer than a session.
func testBroker(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "broker")
	l.letters = "broker-letters"
	site.Kafka.CreateTopic(t, l.letters, 1)
	w := newCrew(l, slowStore(t, site, l.config(t, session)))
	l.publish(t, openAtStop)
	w.start(t)
	w.start(t)
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for _, away := range []time.Duration{0, session} {
			l.topUp(t, openAtStop)
			site.Kafka.Kill(t)
			time.Sleep(away)
			site.Kafka.Restart(t)
			l.topUp(t, openAtStop)
			l.awaitMembers(t, 2)
		}
	}
	w.finish(t)
	l.check(t)
	l.checkCommand(t, w.c)
}

// testStore kills the store while two workers read objects from it and write files and letters to it: for a moment, and for some seconds.
func testStore(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "store")
	c := l.config(t, session)
	w := newCrew(l, c)
	l.publish(t, openAtStop)
	w.start(t)
	w.start(t)
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for _, away := range []time.Duration{0, 8 * time.Second} {
			l.topUp(t, openAtStop)
			site.S3.Kill(t)
			time.Sleep(away)
			site.S3.Restart(t)
		}
	}
	w.finish(t)
	l.check(t)
	l.checkCommand(t, w.c)
}
