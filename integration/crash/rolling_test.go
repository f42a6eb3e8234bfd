//go:build integration

package crash

import (
	"fmt"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
)

func testRolling(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "rolling")
	c := l.config(t, 6*time.Second)
	var workers []*harness.Process
	for i := range 2 { // the second one joins while the first works
		l.publish(t, 600)
		workers = append(workers, site.StartWorker(t, fmt.Sprintf("old-%d", i), c))
		workers[i].WaitForLog(t, "assigned", time.Minute)
	}
	for i, old := range workers {
		l.publish(t, 600)
		if l.unfinished(t) == 0 {
			t.Error("no work was open when a worker was told to stop")
		}
		fixture.Stop(t, old)
		workers[i] = site.StartWorker(t, fmt.Sprintf("new-%d", i), c)
		workers[i].WaitForLog(t, "assigned", time.Minute)
	}
	l.publish(t, 600)
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, workers...)
	l.awaitMembers(t, 2)
	for _, w := range workers {
		fixture.Stop(t, w)
	}
	l.check(t)
}
