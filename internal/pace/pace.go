// Package pace bounds how many things a second are done.
//
// Neighbours: stream/manifestsource and internal/publish hand references over at a pace.
package pace

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Pace is a token bucket that holds a tenth of a second's worth. The zero value has no bound. It is safe for concurrent use.
type Pace struct {
	bucket *rate.Limiter
	most   int
}

// New makes a pace of so many a second, 0 for no bound, of which at most most at once.
func New(perSecond float64, most int) Pace {
	if perSecond <= 0 {
		return Pace{most: most}
	}
	burst := int(min(max(perSecond/10, 1), float64(most)))
	return Pace{rate.NewLimiter(rate.Limit(perSecond), burst), burst}
}

// Most is how many may be done at once.
func (p Pace) Most() int { return p.most }

// Wait blocks until n things may be done, Most by Most, or until ctx ends, whose error it returns then. Limiter.WaitN is not it: that fails at once where the context's deadline comes
// before the turn, and a run with a deadline goes on until there.
func (p Pace) Wait(ctx context.Context, n int) error {
	if p.bucket == nil {
		return ctx.Err()
	}
	for ; n > 0 && ctx.Err() == nil; n -= p.most { // more than the bucket holds would wait for ever
		t := time.NewTimer(p.bucket.ReserveN(time.Now(), min(n, p.most)).Delay())
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	return ctx.Err()
}
