//go:build integration

package crash

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
)

// hold freezes a worker at its n-th file, with the PUT in our hands, and lets the PUT go on when it is told to.
type hold struct {
	at      int64
	worker  atomic.Pointer[harness.Process]
	seen    atomic.Int64
	held    chan string   // the object's path, once the worker is frozen
	release chan struct{} // closed when the PUT may go on
	answer  chan int      // the store's answer to it
}

const marked = "Vecmill-Test-Held" // header of the request that was held

func (h *hold) gate() fixture.Gate {
	return fixture.Gate{
		Before: func(r *http.Request) {
			w := h.worker.Load()
			if w == nil || !fixture.IsFile(r) || h.seen.Add(1) != h.at {
				return
			}
			body, err := io.ReadAll(r.Body) // all of it, since a frozen worker sends no more
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.Header.Set(marked, "1")
			_ = syscall.Kill(-w.PID(), syscall.SIGSTOP) // the test sees below whether it worked
			h.held <- r.URL.Path
			select {
			case <-h.release:
			case <-time.After(2 * time.Minute): // the test has failed by then
			}
		},
		After: func(r *http.Response) {
			if r.Request.Header.Get(marked) != "" {
				h.answer <- r.StatusCode
			}
		},
	}
}

func testZombie(t *testing.T, site *fixture.Site) {
	l := newLoad(t, site, "zombie")
	h := &hold{at: 4, held: make(chan string, 1), release: make(chan struct{}), answer: make(chan int, 1)}
	l.publish(t, 1500)
	c := l.config(t, 6*time.Second)
	gated := *c
	gated.S3.Endpoint = site.Gate(t, h.gate())
	zombie := site.StartWorker(t, "zombie", &gated)
	h.worker.Store(zombie)
	var path string
	select {
	case path = <-h.held:
	case <-time.After(time.Minute):
		t.Fatalf("the worker wrote no %d files; end of its log:\n%s", h.at, zombie.LogTail(30))
	}
	if left := l.unfinished(t); left == 0 {
		t.Error("all work was done when the worker was frozen: it proves nothing")
	}
	heir := site.StartWorker(t, "heir", c)
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, heir)
	t.Logf("the other worker took over and finished, while the PUT of %s was on its way", path)
	close(h.release)
	select {
	case code := <-h.answer:
		if code != http.StatusPreconditionFailed {
			t.Errorf("the late PUT of %s was answered %d, want 412", path, code)
		}
	case <-time.After(time.Minute):
		t.Error("the late PUT has no answer")
	}
	l.publish(t, 600)
	zombie.Resume(t)
	zombie.WaitForLog(t, "assignment lost", time.Minute)
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, heir, zombie)
	l.awaitMembers(t, 2)
	l.publish(t, 600) // and both work on
	site.AwaitCommitted(t, l.topic, []string{l.topic}, 2*time.Minute, heir, zombie)
	fixture.Stop(t, heir)
	fixture.Stop(t, zombie)
	l.check(t)
}
