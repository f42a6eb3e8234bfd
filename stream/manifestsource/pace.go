package manifestsource

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// pace bounds how many values a second are handed over: a token bucket that holds a tenth of a second's worth. The zero value has no bound.
type pace struct {
	bucket *rate.Limiter
}

func newPace(perSecond float64) pace {
	if perSecond <= 0 {
		return pace{}
	}
	burst := min(max(perSecond/10, 1), chunkLines)
	return pace{rate.NewLimiter(rate.Limit(perSecond), int(burst))}
}

// most is the number of values of one chunk: no more than the bucket holds.
func (p pace) most() int {
	if p.bucket == nil {
		return chunkLines
	}
	return p.bucket.Burst()
}

// wait blocks until n values, at most most, may be handed over. Limiter.WaitN is not it: that fails at once where the context's deadline comes before the turn, and a run with a deadline
// goes on until there.
func (p pace) wait(ctx context.Context, n int) error {
	if p.bucket == nil {
		return ctx.Err()
	}
	t := time.NewTimer(p.bucket.ReserveN(time.Now(), n).Delay())
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
