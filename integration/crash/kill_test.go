//go:build integration

package crash

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
)

const (
	pointsInCI     = 6                     // one of each kind
	recordsAtPoint = 900                   // open before each start, more than a worker gets done before the blow
	putDelay       = 80 * time.Millisecond // so that work lasts

	// holdLetter is how long a letter is on its way before the blow: long enough for a file around it to roll by age, which
	// must not happen, since its record has no fate yet.
	holdLetter = 2500 * time.Millisecond
)

// blow is where one worker dies.
type blow struct {
	kind  string // see kinds
	count int    // of requests
	delay time.Duration
}

// The kinds of points: three at an exact request, two at a random time.
var kinds = []string{"file not stored", "file stored", "after assignment", "letter not stored", "after start", "letter stored"}

func (b blow) String() string {
	if b.count > 0 {
		return fmt.Sprintf("%s, number %d", b.kind, b.count)
	}
	return fmt.Sprintf("%v %s", b.delay, b.kind)
}

// blows are n points from a seed.
func blows(seed uint64, n int) []blow {
	r := rand.New(rand.NewPCG(seed, 0))
	all := make([]blow, n)
	for i := range all {
		all[i].kind = kinds[i%len(kinds)]
		switch {
		case strings.HasPrefix(all[i].kind, "file"):
			all[i].count = 1 + r.IntN(5)
		case strings.HasPrefix(all[i].kind, "letter"):
			all[i].count = 1 + r.IntN(14)
		case all[i].kind == "after assignment":
			all[i].delay = time.Duration(r.IntN(600)) * time.Millisecond
		default:
			all[i].delay = time.Duration(r.IntN(3500)) * time.Millisecond
		}
	}
	return all
}

// trap kills a worker at an exact request. One trap is set at a time.
type trap struct {
	armed atomic.Pointer[armed]
}

type armed struct {
	blow   blow
	worker *harness.Process
	seen   atomic.Int64
}

// strike kills the worker if this is the request that its blow waits for. It says whether the request ends here, and returns
// then when the worker is gone. Letters that must not be stored are held, with all that come after, for holdLetter.
func (tr *trap) strike(r *http.Request, stored bool) bool {
	a := tr.armed.Load()
	if a == nil || a.blow.count == 0 || strings.HasSuffix(a.blow.kind, "not stored") == stored {
		return false
	}
	letter := strings.HasPrefix(a.blow.kind, "letter")
	if letter && !fixture.IsLetter(r) || !letter && !fixture.IsFile(r) {
		return false
	}
	n := int(a.seen.Add(1))
	held := letter && !stored && n > a.blow.count
	if n != a.blow.count && !held {
		return false
	}
	if n == a.blow.count {
		if letter && !stored {
			time.Sleep(holdLetter)
		}
		_ = syscall.Kill(-a.worker.PID(), syscall.SIGKILL) // if it is gone already, the test sees it below
	}
	<-a.worker.Exited()
	return true
}

func (tr *trap) gate() fixture.Gate {
	return fixture.Gate{
		Before: func(r *http.Request) {
			if tr.strike(r, false) {
				panic(http.ErrAbortHandler) // the request goes no further
			}
			if fixture.IsFile(r) {
				time.Sleep(putDelay)
			}
		},
		After: func(r *http.Response) { tr.strike(r.Request, true) },
	}
}

func testKills(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "kills")
	tr := &trap{}
	c := l.config(t, 3*time.Second)
	c.S3.Endpoint = site.Gate(t, tr.gate())
	for i, b := range blows(uint64(setting(t, "VECMILL_CRASH_SEED", 1)), setting(t, "VECMILL_CRASH_POINTS", pointsInCI)) {
		l.topUp(t, recordsAtPoint)
		before := l.unfinished(t)
		began := time.Now()
		w := site.StartWorker(t, fmt.Sprintf("victim-%d", i), c)
		tr.armed.Store(&armed{blow: b, worker: w})
		await(t, w, b)
		tr.armed.Store(nil)
		left := l.unfinished(t)
		t.Logf("point %d: %s: died after %v, %d of %d open records done", i, b, time.Since(began).Round(time.Millisecond), before-left, before)
		if left == 0 {
			t.Errorf("point %d (%s) came when all work was done: it proves nothing", i, b)
		}
	}
	w := site.StartWorker(t, "survivor", c)
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, w)
	fixture.Stop(t, w)
	l.check(t)
	l.checkCommand(t, c)
	l.checkCommandSeesLoss(t, c)
}

// slowStore is a copy of a configuration whose files take a little longer, so that work lasts.
func slowStore(t *testing.T, site *fixture.Site, c *config.Config) *config.Config {
	t.Helper()
	slow := *c
	slow.S3.Endpoint = site.Gate(t, fixture.Gate{Before: func(r *http.Request) {
		if fixture.IsFile(r) {
			time.Sleep(putDelay)
		}
	}})
	return &slow
}

// await returns once the worker has died of its blow.
func await(t *testing.T, w *harness.Process, b blow) {
	t.Helper()
	switch b.kind {
	case "after assignment":
		w.WaitForLog(t, "assigned", time.Minute)
		fallthrough
	case "after start":
		time.Sleep(b.delay)
		w.Kill(t)
	}
	state := w.Wait(t, time.Minute)
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the worker ended with %v before its time came (%s); end of its log:\n%s", state, b, w.LogTail(30))
	}
}

// setting is a number from the environment.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a positive number", name, s)
	}
	return n
}
