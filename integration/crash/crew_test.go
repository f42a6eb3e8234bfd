//go:build integration

package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
)

// crew is the workers of one group, on one configuration.
type crew struct {
	l       *load
	c       *config.Config
	hired   int
	working []*harness.Process // oldest first
	done    fixture.Totals     // of those that have ended in good order
}

func newCrew(l *load, c *config.Config) *crew { return &crew{l: l, c: c} }

// hire adds a worker.
func (w *crew) hire(t *testing.T) *harness.Process {
	t.Helper()
	p := w.l.site.StartWorker(t, fmt.Sprintf("%s-%d", w.l.topic, w.hired), w.c)
	w.hired++
	w.working = append(w.working, p)
	return p
}

// start adds a worker and returns when it has its partitions.
func (w *crew) start(t *testing.T) {
	t.Helper()
	w.hire(t).WaitForLog(t, "assigned", time.Minute)
}

// kill ends the oldest worker without a warning.
func (w *crew) kill(t *testing.T) {
	t.Helper()
	w.working[0].Kill(t)
	w.working = w.working[1:]
}

// couldNotStart says whether a worker ended before it had its store and its broker: it asks for each a few times at the start, and ends saying which it misses. The pipelines
// ask for the broker, when the worker says already that it has started.
func couldNotStart(p *harness.Process) bool {
	log := p.Log()
	return !strings.Contains(log, "msg=started") || strings.Contains(log, "kafka source: no answer from brokers")
}

// replace hires a worker for every one that could not start. One that had started must not end by itself.
func (w *crew) replace(t *testing.T) {
	t.Helper()
	for i, p := range w.working {
		select {
		case <-p.Exited():
		default:
			continue
		}
		if !couldNotStart(p) {
			t.Errorf("a worker ended by itself (%v); end of its log:\n%s", p.Wait(t, time.Second), p.LogTail(30))
		}
		fresh := w.hire(t)
		w.working[i] = fresh
		w.working = w.working[:len(w.working)-1]
	}
}

// stop ends the oldest worker as an orchestrator does.
func (w *crew) stop(t *testing.T) {
	t.Helper()
	p := w.working[0]
	w.working = w.working[1:]
	fixture.Stop(t, p)
	did := w.l.site.Totals(t, p)
	w.done.Records += did.Records
	w.done.Rows += did.Rows
}

// finish waits until everything that is published is committed, and stops all workers.
func (w *crew) finish(t *testing.T) {
	t.Helper()
	w.l.site.AwaitCommitted(t, w.l.topic, []string{w.l.topic}, 2*time.Minute, w.working...)
	for len(w.working) > 0 {
		w.stop(t)
	}
}

// checkRedo prints how much was done more than once, as a share of all, and fails the test if it is more than most. It holds for crews of which
// every member has ended in good order.
func (w *crew) checkRedo(t *testing.T, most float64) {
	t.Helper()
	records, rows := int64(len(w.l.ids)), 2*int64(w.l.computed())
	read := float64(w.done.Records-records) / float64(records)
	computed := float64(w.done.Rows-rows) / float64(rows)
	t.Logf("redo ratio: %.4f of the records were read twice (%d of %d), %.4f of the items computed twice (%d of %d rows)",
		read, w.done.Records-records, records, computed, w.done.Rows-rows, rows)
	if read < 0 || computed < 0 {
		t.Errorf("the workers did less (%+v) than there was to do", w.done)
	}
	if computed > most {
		t.Errorf("redo ratio %.4f, want at most %.4f", computed, most)
	}
}
