// Package retry repeats what may succeed next time: exponential backoff with full jitter, bounded by attempts and by the context.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Policy says how often and how slowly. The zero value tries once.
type Policy struct {
	Attempts int           // tries in all, at least 1
	Base     time.Duration // upper bound of the first wait; it doubles with every try
	Max      time.Duration // upper bound of any wait

	// Jitter draws a wait from [0, limit]; nil draws it uniformly. Simulations set it, so that a seed gives the same waits again.
	Jitter func(limit time.Duration) time.Duration

	// Told hears of every failed try that another one follows, and with a nil error of the try that then did not fail. nil tells nobody.
	Told func(tries int, err error)
}

// Default is six tries over roughly ten seconds at most.
func Default() Policy { return Policy{Attempts: 6, Base: 200 * time.Millisecond, Max: 5 * time.Second} }

// Patient is for what an output must take: it outlasts the restart of a store or a broker, two minutes on average. Whoever waits is held
// back meanwhile, which is backpressure; a drain bounds the wait by its context.
func Patient() Policy {
	return Policy{Attempts: 60, Base: 200 * time.Millisecond, Max: 5 * time.Second}
}

// Do calls f until it returns nil, permanent says that its error will not go away, the attempts are used up, or ctx ends. It
// returns f's last error and the number of tries. When ctx ends, the error of the try before it goes along, since it says more.
func Do(ctx context.Context, p Policy, permanent func(error) bool, f func(context.Context) error) (tries int, err error) {
	var before error
	for tries = 1; ; tries++ {
		err = f(ctx)
		if err == nil {
			p.Over(tries)
		}
		switch {
		case err != nil && ctx.Err() != nil && before != nil && errors.Is(err, ctx.Err()):
			return tries, fmt.Errorf("%w; before that: %w", err, before)
		case err == nil || ctx.Err() != nil || tries >= p.Attempts || permanent != nil && permanent(err):
			return tries, err
		}
		before = err
		p.Tell(tries, err)
		if !Sleep(ctx, p.Wait(tries)) {
			return tries, err
		}
	}
}

// Tell tells whoever wants to be told of a failed try that another one follows.
func (p Policy) Tell(tries int, err error) {
	if p.Told != nil {
		p.Told(tries, err)
	}
}

// Over tells whoever was told of failed tries that one has not failed.
func (p Policy) Over(tries int) {
	if tries > 1 {
		p.Tell(tries, nil)
	}
}

// Wait is the random wait after the given number of tries: uniform in [0, min(Max, Base * 2^(tries-1))].
func (p Policy) Wait(tries int) time.Duration {
	limit := p.Base
	for i := 1; i < tries && limit < p.Max; i++ {
		limit *= 2
	}
	if limit = min(limit, p.Max); limit <= 0 {
		return 0
	}
	if p.Jitter != nil {
		return p.Jitter(limit)
	}
	return rand.N(limit + 1)
}

// Sleep waits for d and says whether ctx let it.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
