//go:build integration

package crash

import (
	"math/rand/v2"
	"testing"
	"time"

	"vecmill/integration/fixture"
)

const actsInCI = 2

// act is one thing that happens in a storm. It returns what undoes it, nil for nothing.
type act struct {
	name string
	do   func(t *testing.T, s *storm) (undo func())
}

// storm is a crew in trouble.
type storm struct {
	site *fixture.Site
	crew *crew
	r    *rand.Rand
}

// below are the acts on what the workers stand on; several last until they are undone.
func below() []act {
	all := []act{
		{"nothing", func(*testing.T, *storm) func() { return nil }},
		{"the broker is killed", func(t *testing.T, s *storm) func() {
			s.site.Kafka.Kill(t)
			return func() { s.site.Kafka.Restart(t) }
		}},
		{"the broker is frozen", func(t *testing.T, s *storm) func() {
			s.site.Kafka.Pause(t)
			return func() {
				s.site.Kafka.Resume(t)
				s.site.Kafka.AwaitReady(t)
			}
		}},
		{"the store is killed", func(t *testing.T, s *storm) func() {
			s.site.S3.Kill(t)
			return func() { s.site.S3.Restart(t) }
		}},
		{"the store is frozen", func(t *testing.T, s *storm) func() {
			s.site.S3.Pause(t)
			return func() { s.site.S3.Resume(t) }
		}},
	}
	for _, f := range wireFaults {
		all = append(all,
			act{f.name + " from the broker", func(t *testing.T, s *storm) func() {
				f.do(t, s.site.Wires.Kafka)
				return func() { s.site.Wires.Kafka.Heal(t) }
			}},
			act{f.name + " from the store", func(t *testing.T, s *storm) func() {
				f.do(t, s.site.Wires.S3)
				return func() { s.site.Wires.S3.Heal(t) }
			}})
	}
	return all
}

// among are the acts on the workers.
func among() []act {
	return []act{
		{"nobody", func(*testing.T, *storm) func() { return nil }},
		{"one is killed and replaced", func(t *testing.T, s *storm) func() {
			s.crew.kill(t)
			s.crew.hire(t)
			return nil
		}},
		{"all are killed and replaced", func(t *testing.T, s *storm) func() {
			for range 3 {
				s.crew.kill(t)
			}
			for range 3 {
				s.crew.hire(t)
			}
			return nil
		}},
		{"a fourth one joins for a while", func(t *testing.T, s *storm) func() {
			s.crew.hire(t)
			return func() { s.crew.kill(t) } // the oldest one: the fourth stays
		}},
		{"one sleeps", func(t *testing.T, s *storm) func() {
			w := s.crew.working[s.r.IntN(3)]
			w.Pause(t)
			return func() { w.Resume(t) }
		}},
	}
}

// testStorm draws what happens below the workers and among them from a seed, both at the same time, for a moment or for longer than a session.
// VECMILL_CRASH_ACTS sets how often, VECMILL_CRASH_SEED the seed.
func testStorm(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "storm")
	c := l.config(t, session)
	c.Fetch.Attempts = patient
	s := &storm{site, newCrew(l, site.Wired(c)), rand.New(rand.NewPCG(uint64(setting(t, "VECMILL_CRASH_SEED", 1)), 3))}
	l.publish(t, openAtStop)
	for range 3 {
		s.crew.start(t)
	}
	all, people := below(), among()
	for i := range setting(t, "VECMILL_CRASH_ACTS", actsInCI) {
		l.topUp(t, openAtStop)
		a, b := all[s.r.IntN(len(all))], people[s.r.IntN(len(people))]
		last := time.Duration(s.r.Int64N(int64(long)))
		end := a.do(t, s)
		rouse := b.do(t, s)
		time.Sleep(last)
		s.crew.replace(t)
		if rouse != nil {
			rouse()
		}
		if end != nil {
			end()
		}
		s.crew.replace(t)
		took := l.awaitProgress(t, s.crew)
		t.Logf("act %d: %s; among the workers: %s; for %v; work goes on %v after it", i, a.name, b.name, last.Round(time.Millisecond), took)
	}
	l.topUp(t, openAtStop)
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, s.crew.working...)
	for _, w := range s.crew.working {
		fixture.Stop(t, w)
	}
	l.check(t)
	l.checkCommand(t, c)
}
