//go:build integration

package crash

import (
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
)

// wireFault is one way for a wire to be bad.
type wireFault struct {
	name string
	do   func(t *testing.T, p *harness.Proxy)
	last time.Duration
}

// A fault lasts for a moment, or for longer than a session.
const (
	moment = time.Second
	long   = session + 2*time.Second
)

var wireFaults = []wireFault{
	{"slow answers", func(t *testing.T, p *harness.Proxy) { p.Latency(t, 300*time.Millisecond, 200*time.Millisecond) }, 2 * moment},
	{"little bandwidth", func(t *testing.T, p *harness.Proxy) { p.Bandwidth(t, 20) }, 2 * moment},
	{"resets", func(t *testing.T, p *harness.Proxy) { p.Reset(t) }, moment},
	{"half-closed connections", func(_ *testing.T, p *harness.Proxy) { p.HalfClose() }, moment},
	{"answers that are cut off", func(t *testing.T, p *harness.Proxy) { p.CutAnswers(t, 200) }, moment},
	{"answers that are lost", func(t *testing.T, p *harness.Proxy) { p.LoseAnswers(t) }, moment},
	{"a black hole", func(t *testing.T, p *harness.Proxy) { p.BlackHole(t) }, long},
}

// patient is the number of tries that outlasts these faults, of a wire to a store that answers: otherwise they make letters of good records.
const patient = 60

// testWire lets two workers work through one bad wire after the other, to the broker and to the store.
func testWire(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "wire")
	c := l.config(t, session)
	c.Fetch.Attempts = patient
	w := newCrew(l, site.Wired(c))
	l.publish(t, openAtStop)
	w.start(t)
	w.start(t)
	for range setting(t, "VECMILL_CRASH_ROUNDS", 1) {
		for _, f := range wireFaults {
			for _, to := range []struct {
				name string
				wire *harness.Proxy
			}{{"broker", site.Wires.Kafka}, {"store", site.Wires.S3}} {
				l.topUp(t, openAtStop)
				before := l.unfinished(t)
				f.do(t, to.wire)
				time.Sleep(f.last)
				during := before - l.unfinished(t)
				to.wire.Heal(t)
				took := l.awaitProgress(t, w)
				t.Logf("%s from the %s: %d records finished in %v of it, work goes on %v after it", f.name, to.name, during, f.last, took)
			}
		}
	}
	l.topUp(t, openAtStop)
	w.finish(t)
	l.check(t)
	l.checkCommand(t, c)
}

// awaitProgress returns when a crew has written the next file, and how long that took.
func (l *load) awaitProgress(t *testing.T, w *crew) time.Duration {
	t.Helper()
	began := time.Now()
	l.topUp(t, openAtStop)
	for open := l.unfinished(t); l.unfinished(t) >= open; time.Sleep(50 * time.Millisecond) {
		w.replace(t)
		if time.Since(began) > time.Minute {
			t.Fatalf("no file for a minute after the wire was mended; end of a worker's log:\n%s", w.working[0].LogTail(30))
		}
	}
	return time.Since(began).Round(10 * time.Millisecond)
}
