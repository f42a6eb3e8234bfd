package plan

import (
	"fmt"
	"strconv"
	"strings"
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

// Len is the number of the share's references, of a plan with so many.
func (s Share) Len(items int64) int64 {
	first, next := s.of(items)
	return next - first
}

// Share is a part of the list, numbered from 0.
func (l *List) Share(s Share) *List {
	first, next := s.of(l.plan.Items)
	return &List{at: l.at, plan: l.plan, first: first, next: next}
}
