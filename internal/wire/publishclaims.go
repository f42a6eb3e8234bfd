package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/publish"
	"vecmill/sinks/objectstore"
	"vecmill/stream"
)

// publishClaims are objects beside the plan. They implement publish.Claims.
type publishClaims struct {
	at    plan.Place
	topic string
}

// claimsOf are the claims to a plan's publishing. A store where two could make one claim is refused.
func claimsOf(ctx context.Context, at plan.Place, topic string) (publishClaims, error) {
	if err := checkConditionalPut(ctx, at.Store, at.Prefix); err != nil {
		return publishClaims{}, fmt.Errorf("two publishers of a plan are told apart by what they write beside it: %w", err)
	}
	return publishClaims{at, topic}, nil
}

// Last implements publish.Claims.
func (c publishClaims) Last(ctx context.Context) (n int64, claim publish.Claim, err error) {
	names, err := c.at.Store.List(ctx, plan.ClaimPrefix(c.at, c.topic), "")
	if err != nil {
		return 0, claim, fmt.Errorf("looking for other publishers: %w", err)
	}
	for _, name := range names {
		if number, err := plan.ClaimNumber(c.at, c.topic, name); err == nil {
			n = max(n, number)
		}
	}
	if n == 0 {
		return 0, claim, nil
	}
	name := plan.ClaimName(c.at, c.topic, n)
	body, err := objectstore.Whole(ctx, c.at.Store, name, mostClaim)
	if err == nil {
		err = json.Unmarshal(body, &claim)
	}
	if err != nil {
		return 0, claim, fmt.Errorf("reading %s: %w", name, err)
	}
	return n, claim, nil
}

// mostClaim is more than a claim's bytes.
const mostClaim = 64 << 10

// Make implements publish.Claims.
func (c publishClaims) Make(ctx context.Context, n int64, claim publish.Claim) error {
	name := plan.ClaimName(c.at, c.topic, n)
	body, err := json.Marshal(claim)
	if err == nil {
		err = c.at.Store.PutIfAbsent(ctx, name, body, nil)
	}
	if errors.Is(err, objectstore.ErrExists) {
		return publish.ErrClaimed
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// Keep implements publish.Claims.
func (c publishClaims) Keep(ctx context.Context, n int64, claim publish.Claim) error {
	name := plan.ClaimName(c.at, c.topic, n)
	body, err := json.Marshal(claim)
	if err == nil {
		err = c.at.Store.Put(ctx, name, body, "application/json")
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// waitsFor tells that a publisher is waited for that did not say that it has ended.
func waitsFor(log *slog.Logger) func(by string, most time.Duration) {
	return func(by string, most time.Duration) {
		if log != nil {
			log.Info("the publisher before this one did not say that it has ended: waiting", "by", by, "at_most", most)
		}
	}
}

// readsFor tells, every ten seconds or so, how far it is read what the topic has already.
func readsFor(log *slog.Logger) func(p stream.Partition, at, end int64) {
	told := time.Now()
	return func(p stream.Partition, at, end int64) {
		if log != nil && time.Since(told) >= publishTold {
			told = time.Now()
			log.Info("reading what the topic has already", "partition", p.String(), "offset", at, "end", end)
		}
	}
}

// triesFor tells, every ten seconds at most, why what failed is tried again: records that brokers do not show yet may be waited for up to an hour.
func triesFor(log *slog.Logger) tellTries {
	var told time.Time
	return func(tries int, err error) {
		if log != nil && err != nil && time.Since(told) >= publishTold {
			told = time.Now()
			log.Warn("publishing failed; trying again", "tries", tries, "err", err)
		}
	}
}

// thisProcess names it for people: in Kubernetes, the pod.
func thisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
