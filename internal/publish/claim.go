package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"vecmill/internal/retry"
)

// ErrClaimed says that there is a claim of that number. It may be the caller's own, from an earlier try that landed.
var ErrClaimed = errors.New("it is claimed already")

// Claim is what a publisher says of itself.
type Claim struct {
	ID    string    `json:"id"` // no other publisher has it
	By    string    `json:"by"` // for people
	Since time.Time `json:"since"`
	Beats int64     `json:"beats"`          // one more whenever it looks
	Over  bool      `json:"over,omitempty"` // it has ended, and nothing of it is on its way any more
}

// Claims are the claims to one list's publishing to one topic. They are numbered from 1, and follow each other.
type Claims interface {
	// Last is the one of the greatest number, which is 0 if there is none.
	Last(ctx context.Context) (n int64, c Claim, err error)

	// Make makes claim n, atomically, if there is none of that number, and otherwise fails with ErrClaimed.
	Make(ctx context.Context, n int64, c Claim) error

	// Keep replaces claim n, which the caller has made.
	Keep(ctx context.Context, n int64, c Claim) error
}

// terms are the times of P5 and P6. watch is longer than two beats.
type terms struct {
	beat, hold, watch, grace time.Duration

	wall func() time.Time // the clock of the day
}

// late is how long after it was given up a request may land.
func (t terms) late() time.Duration { return t.grace - t.hold }

// usual are those of every publisher.
var usual = terms{beat: 3 * time.Second, hold: 10 * time.Second, watch: 10 * time.Second, grace: 15 * time.Second, wall: time.Now}

// holding is a publisher's claim. It is for one goroutine at a time.
type holding struct {
	claims Claims
	terms  terms
	n      int64
	claim  Claim
	looked time.Time // when the last look began that found no later claim
	day    time.Time // the same, by the clock of the day alone
	lost   bool      // a look has failed, behind which nothing is written
}

// take makes the next claim. It fails if another publisher is at work (P6), and waits until one that did not say that it is over can have nothing on its way any more (P5).
func take(ctx context.Context, o *Options, t terms) (*holding, error) {
	n, last, err := o.Claims.Last(ctx)
	if err != nil {
		return nil, err
	}
	idle := n == 0 || last.Over
	if !idle {
		o.waits(last.By, t.watch+t.grace)
		if !retry.Sleep(ctx, t.watch) {
			return nil, ctx.Err()
		}
		now, still, err := o.Claims.Last(ctx)
		if err != nil {
			return nil, err
		}
		idle = still.Over && now == n
		if !idle && (now != n || still.Beats != last.Beats) {
			return nil, still.atWork()
		}
	}
	h := &holding{claims: o.Claims, terms: t, n: n + 1, claim: Claim{ID: rand.Text(), By: o.By, Since: time.Now().UTC().Truncate(time.Second)}}
	switch err := h.claims.Make(ctx, h.n, h.claim); {
	case errors.Is(err, ErrClaimed):
		now, other, err := h.claims.Last(ctx)
		if err != nil {
			return nil, err
		}
		if now != h.n || other.ID != h.claim.ID {
			return nil, other.atWork()
		}
	case err != nil:
		return nil, err
	}
	if !idle {
		if err := h.until(ctx, time.Now().Add(t.grace)); err != nil { // a third one sees that this one is at work
			return nil, err
		}
	}
	return h, h.look(ctx)
}

// atWork is why a publisher makes no claim.
func (c Claim) atWork() error {
	return fmt.Errorf("another publisher is at work on it (%s, since %s), and two would give references twice: wait until it has ended, or end it, and give the command again", c.By, c.Since.Format(time.RFC3339))
}

// look says that this publisher is at work, and fails if there is a later claim.
func (h *holding) look(ctx context.Context) error {
	began, day := time.Now(), h.terms.wall().Round(0)
	h.lost = true
	h.claim.Beats++
	if err := h.claims.Keep(ctx, h.n, h.claim); err != nil {
		return err
	}
	n, last, err := h.claims.Last(ctx)
	if err != nil {
		return err
	}
	if n != h.n {
		return fmt.Errorf("another publisher (%s, since %s) has gone on with it, for this one did not say for a while that it was at work; the other one publishes what is left", last.By, last.Since.Format(time.RFC3339))
	}
	h.looked, h.day, h.lost = began, day, false
	return nil
}

// age is how long ago the last look was. The clock that measures times stands still while the machine is suspended; the one of the day does not, but can be set back.
func (h *holding) age() time.Duration {
	return max(time.Since(h.looked), h.terms.wall().Sub(h.day))
}

// due looks if the last time is long ago.
func (h *holding) due(ctx context.Context) error {
	if h.age() < h.terms.beat {
		return nil
	}
	return h.look(ctx)
}

// until waits, and looks meanwhile.
func (h *holding) until(ctx context.Context, end time.Time) error {
	for time.Now().Before(end) {
		if err := h.due(ctx); err != nil {
			return err
		}
		if !retry.Sleep(ctx, min(h.terms.beat, time.Until(end))) {
			return ctx.Err()
		}
	}
	return nil
}

// writing is ctx until nothing may be written any more without another look (P5).
func (h *holding) writing(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := h.due(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithDeadline(ctx, h.looked.Add(h.terms.hold))
	return ctx, cancel, nil
}

// over lets the next publisher begin at once. If that is not said, it waits.
func (h *holding) over(ctx context.Context) {
	h.claim.Over = true
	_ = h.claims.Keep(ctx, h.n, h.claim)
}
