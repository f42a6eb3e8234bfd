package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vecmill/sinks/objectstore"
)

// Share is a part of a plan that is computed by itself, one of N whose references follow each other: number I, from 0. The zero Share is all of it.
type Share struct{ I, N int }

// mostShares is far more than there are machines.
const mostShares = 100_000

// ParseShare reads I/N.
func ParseShare(text string) (s Share, err error) {
	i, n, ok := strings.Cut(text, "/")
	if s.I, err = strconv.Atoi(i); err == nil {
		s.N, err = strconv.Atoi(n)
	}
	if !ok || err != nil || s.N < 1 || s.N > mostShares || s.I < 0 || s.I >= s.N {
		return Share{}, fmt.Errorf("%q is no share: 0/8 to 7/8 are the eight of a plan", text)
	}
	return s, nil
}

// Whole says whether it is all of the plan.
func (s Share) Whole() bool { return s.N <= 1 }

// Partition is the output's for the share's references: 0 is of a plan as a whole, which is another list than its first share.
func (s Share) Partition() int {
	if s.Whole() {
		return 0
	}
	return s.I + 1
}

// of is the references of a plan with so many: from first on and before next.
func (s Share) of(items int64) (first, next int64) {
	if s.Whole() {
		return 0, items
	}
	each, more := items/int64(s.N), items%int64(s.N) // the first ones have one more
	first = int64(s.I)*each + min(int64(s.I), more)
	next = first + each
	if int64(s.I) < more {
		next++
	}
	return first, next
}

// Share is a part of the list, numbered from 0.
func (l *List) Share(s Share) *List {
	first, next := s.of(l.plan.Items)
	return &List{at: l.at, plan: l.plan, first: first, next: next}
}

// Settled is how a plan is computed: shares.json. The zero Settled is not yet.
type Settled struct {
	Of        int  `json:"of,omitempty"`        // shares; 1: it is computed as a whole
	Published bool `json:"published,omitempty"` // to topics, whose workers compute it
}

// HowSettled is what was settled first.
func HowSettled(ctx context.Context, at Place) (Settled, error) {
	body, err := at.read(ctx, sharesName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return Settled{}, nil
	}
	var s Settled
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		return Settled{}, fmt.Errorf("reading %s: %w", at.name(sharesName), err)
	}
	return s, nil
}

// Settle says how a plan is computed, once for all that compute it: in another way its references have other numbers or another source in the output, and would be there twice. It gives what was settled first.
func Settle(ctx context.Context, at Place, s Settled) (Settled, error) {
	body, err := json.Marshal(s)
	if err == nil {
		err = at.Store.PutIfAbsent(ctx, at.name(sharesName), body, nil)
	}
	if errors.Is(err, objectstore.ErrExists) {
		return HowSettled(ctx, at)
	}
	if err != nil {
		return Settled{}, fmt.Errorf("whoever computes a plan says beside it how, and has to have the right to write there: writing %s: %w", at.name(sharesName), err)
	}
	return s, nil
}
