package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// errReset is a connection that broke before the answer came.
var errReset = errors.New("simulate: connection reset")

// network is the way of one process to the cloud, with everything that may befall a request on it. It implements http.RoundTripper.
type network struct {
	c     *cloud
	p     *process
	d     draws
	plan  *Plan
	meter *Meter
	count func(func(*Coverage))
	mu    struct {
		sync.Mutex
		asked map[string]int64 // requests so far by method and name
	}
}

func newNetwork(w *world, p *process) *network {
	n := &network{c: w.cloud, p: p, d: w.d, plan: w.plan, meter: w.meter, count: w.count}
	n.mu.asked = map[string]int64{}
	return n
}

// fate is what befalls one request.
type fate struct {
	kind   string
	to     time.Duration // on the way there
	back   time.Duration // and back
	answer *answer       // of a server that did not carry it out
	carry  bool          // it is carried out
	late   time.Duration // that long after the caller lost sight of it
}

// The kinds of fate.
const (
	served    = "served"
	reset     = "reset"
	hung      = "hung"
	truncated = "truncated" // the body ends early
	corrupted = "corrupted" // a byte of the body is wrong
)

// RoundTrip implements http.RoundTripper. Once a request has left the process, neither a pause nor a crash of it stops the request.
func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	r, err := arrived(req)
	if err != nil {
		return nil, err
	}
	what := r.method + " " + r.path
	if r.listing() {
		what = "LIST " + r.path + " " + r.param("prefix") + " " + r.param("continuation-token")
	}
	n.meter.add(n.p.name, "store "+what, 1)
	n.mu.Lock()
	try := n.mu.asked[what]
	n.mu.asked[what]++
	n.mu.Unlock()
	dice := n.d.of(n.p.name+" "+what, try)
	f := n.draw(r, dice)
	if err := n.depart(req.Context(), r, what, dice); err != nil {
		return nil, err
	}
	answered := make(chan *answer, 1)
	time.AfterFunc(f.to, func() { answered <- n.arrive(r, what, try, &f) })
	var a *answer
	select {
	case a = <-answered:
	case <-req.Context().Done():
	}
	if a == nil && req.Context().Err() == nil {
		if err = errReset; f.kind == hung {
			err = hang(req.Context())
		}
	}
	wait := req.Context()
	if err != nil {
		wait = context.WithoutCancel(wait)
	}
	if back := n.p.sleep(wait, f.back); back != nil {
		return nil, back
	}
	if err != nil {
		return nil, err
	}
	return a.response(req), nil
}

// depart is the moment at which a request leaves the process: the one at which it may crash.
func (n *network) depart(ctx context.Context, r *request, what string, dice *rand.Rand) error {
	if err := n.p.sleep(ctx, span(dice, time.Microsecond, time.Millisecond)); err != nil {
		return err
	}
	if r.method != http.MethodPut {
		return nil
	}
	return n.p.effect(what, chance(dice, 0.5), func() error { return nil }, func() { n.arrive(r, what, -1, &fate{kind: served}) })
}

// arrive lets a request meet its fate. No answer comes of one that is lost.
func (n *network) arrive(r *request, what string, try int64, f *fate) *answer {
	say := func(format string, args ...any) {
		n.p.tr.add(n.p.name, "%s #%d %s", what, try, fmt.Sprintf(format, args...))
	}
	switch {
	case f.answer != nil:
		say("refused: %d", f.answer.status)
		return f.answer
	case f.kind != reset && f.kind != hung:
		a := n.c.serve(r)
		f.spoil(a)
		say("%s: %d", f.kind, a.status)
		return a
	case f.carry && f.late > 0:
		say("%s, lands in %v", f.kind, f.late)
		time.AfterFunc(f.late, func() { say("lands late: %d", n.unanswered(r, f.late)) })
	case f.carry:
		say("%s, but %d", f.kind, n.unanswered(r, 0))
	default:
		say("%s", f.kind)
	}
	return nil
}

// unanswered carries a request out whose answer does not come, so long after it should have been.
func (n *network) unanswered(r *request, late time.Duration) (status int) {
	status = n.c.serve(r).status
	if r.method == http.MethodPut && strings.HasPrefix(r.path, outputs+"/") {
		n.count(func(c *Coverage) {
			switch {
			case status == http.StatusOK:
				c.Unheard++
			case late > putTimeout:
				c.Belated++
			}
		})
	}
	return status
}

// spoil damages the body of an object on its way back.
func (f *fate) spoil(a *answer) {
	switch {
	case a.status != http.StatusOK || len(a.body) == 0:
	case f.kind == truncated:
		a.short = 1 + len(a.body)/2
	case f.kind == corrupted:
		a.body = slices.Clone(a.body)
		a.body[len(a.body)/2] ^= 1
	}
}

// draw decides about a request.
func (n *network) draw(r *request, dice *rand.Rand) fate {
	faults := &n.plan.Faults
	f := fate{kind: served, to: span(dice, 100*time.Microsecond, faults.Slow), back: span(dice, 100*time.Microsecond, faults.Slow)}
	now := time.Since(n.c.start)
	if now >= n.plan.Calm {
		f.to, f.back = min(f.to, 20*time.Millisecond+f.to/100), min(f.back, 20*time.Millisecond+f.back/100)
		return f
	}
	for _, w := range faults.Windows {
		if now >= w.From && now < w.To {
			if a := w.What.strikes(r); a != nil {
				f.answer = a
				return f
			}
		}
	}
	put, input := r.method == http.MethodPut, strings.HasPrefix(r.path, inputs+"/")
	x := dice.Float64()
	hit := func(p float64) bool { x -= p; return x < 0 }
	switch {
	case hit(faults.SlowDown):
		f.answer = fail(http.StatusServiceUnavailable, "SlowDown")
	case put && r.header.Get("If-None-Match") != "" && hit(faults.Conflict):
		f.answer = fail(http.StatusConflict, "ConditionalRequestConflict")
	case hit(faults.Reset):
		f.kind, f.carry = reset, chance(dice, 0.5)
	case hit(faults.Hang):
		f.kind, f.carry = hung, chance(dice, 0.6)
		if f.carry && chance(dice, 0.5) {
			f.late = span(dice, time.Millisecond, 30*time.Second)
		}
	case input && hit(faults.Truncate):
		f.kind = truncated
	case input && hit(faults.Corrupt):
		f.kind = corrupted
	}
	return f
}

// strikes is the answer that an outage gives to a request; nil if it is not hit.
func (o Outage) strikes(r *request) *answer {
	put, input := r.method == http.MethodPut, strings.HasPrefix(r.path, inputs+"/")
	switch {
	case o == StoreDown && !input, o == LettersDown && put && strings.HasPrefix(r.path, letters+"/"), o == InputsDown && input:
		return fail(http.StatusServiceUnavailable, "SlowDown")
	case o == Expired:
		return fail(http.StatusForbidden, "ExpiredToken")
	case o == Denied && put:
		return fail(http.StatusForbidden, "AccessDenied")
	case o == DiskFull && put && strings.HasPrefix(r.path, outputs+"/"):
		return fail(http.StatusInsufficientStorage, "XMinioStorageFull")
	}
	return nil
}
