package listing

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Object is one key of a bucket.
type Object struct {
	Key     string
	Size    int64
	ETag    string // without quotes
	Changed time.Time
}

// Pager lists the keys of one prefix. It is safe for concurrent use.
type Pager interface {
	// Page gives keys behind after in ascending order of their bytes, and whether there may be more behind them. An empty page has no more. It ends with ctx.
	Page(ctx context.Context, after string) (page []Object, more bool, err error)
}

// Range is the keys behind After, up to Upto and with it; "" as Upto means to the end.
type Range struct {
	After string `json:"after"`
	Upto  string `json:"upto"`
}

// State is what is left to list. The zero State is everything.
type State struct {
	Begun bool    `json:"begun"`
	Left  []Range `json:"left"` // disjoint; none of what was given is in them
}

// Done says whether everything was given.
func (s State) Done() bool { return s.Begun && len(s.Left) == 0 }

// Give takes the next keys of one range, and the state of the enumeration with them in it. Calls come one at a time. Pages of different ranges come in any order.
type Give func(page []Object, s State) error

// All enumerates what is left of a listing with so many requests at once, until it is done, ctx ends or give fails.
func All(ctx context.Context, p Pager, workers int, from State, give Give) error {
	if workers < 1 {
		return errors.New("listing: at least one worker is needed")
	}
	l := &lister{pager: p, give: give, reach: big.NewInt(1), woken: make(chan struct{})}
	if !from.Begun {
		from.Left = []Range{{}}
	}
	for _, r := range from.Left {
		l.waiting = append(l.waiting, &span{Range: r})
	}
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return l.work(ctx) })
	}
	return g.Wait()
}

// span is a range on its way.
type span struct {
	Range
	taken bool // from another range, and nothing of it is read yet: its first page tells whether the cut was good
}

type lister struct {
	pager Pager
	give  Give

	mu      sync.Mutex
	waiting []*span
	active  []*span
	idle    int           // workers without a range
	reach   *big.Int      // page widths that the next cut is ahead
	woken   chan struct{} // closed, and made anew, when a range is waiting or all is done
}

func (l *lister) work(ctx context.Context) error {
	for {
		s, err := l.take(ctx)
		if s == nil || err != nil {
			return err
		}
		for more := true; more; {
			if more, err = l.step(ctx, s); err != nil {
				return err
			}
		}
	}
}

// take waits for a range; nil when there will be none.
func (l *lister) take(ctx context.Context) (*span, error) {
	l.mu.Lock()
	l.idle++
	for {
		switch {
		case len(l.waiting) > 0:
			s := l.waiting[0]
			l.waiting, l.active = l.waiting[1:], append(l.active, s)
			l.idle--
			l.mu.Unlock()
			return s, nil
		case len(l.active) == 0:
			l.mu.Unlock()
			return nil, nil
		}
		woken := l.woken
		l.mu.Unlock()
		select {
		case <-woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		l.mu.Lock()
	}
}

func (l *lister) wakeLocked() {
	close(l.woken)
	l.woken = make(chan struct{})
}

// step reads one page of a range and gives it. It says whether there may be more of the range.
func (l *lister) step(ctx context.Context, s *span) (bool, error) {
	page, more, err := l.pager.Page(ctx, s.After) // only this worker changes After
	if err != nil {
		if s.After != "" {
			err = fmt.Errorf("behind %q: %w", s.After, err)
		}
		return false, err
	}
	if err := ascending(s.After, page); err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, beyond := slices.BinarySearchFunc(page, s.Upto, func(o Object, upto string) int { return strings.Compare(o.Key, upto+"\x00") }); s.Upto != "" && (n < len(page) || beyond) {
		page, more = page[:n], false
	}
	l.learnLocked(s, len(page) > 0)
	if len(page) > 0 {
		s.After = page[len(page)-1].Key
	}
	if more = more && len(page) > 0; more {
		l.shareLocked(s, page)
	} else {
		l.active = slices.DeleteFunc(l.active, func(o *span) bool { return o == s })
		l.wakeLocked() // perhaps all is done
	}
	return more, l.give(page, l.stateLocked())
}

// ascending refuses a store that does not list in order: ranges would not be disjoint.
func ascending(after string, page []Object) error {
	for i := range page {
		if page[i].Key <= after {
			return fmt.Errorf("listing: key %q comes after %q; the store does not list keys in the order of their bytes", page[i].Key, after)
		}
		after = page[i].Key
	}
	return nil
}

// learnLocked makes cuts reach further after one that left keys behind it, and less far after one that did not.
func (l *lister) learnLocked(s *span, found bool) {
	if !s.taken {
		return
	}
	s.taken = false
	if found {
		l.reach.Lsh(l.reach, 1)
	} else if l.reach.BitLen() > 1 {
		l.reach.Rsh(l.reach, 1)
	}
}

// shareLocked gives the far part of a range to whoever has nothing to do.
func (l *lister) shareLocked(s *span, page []Object) {
	if l.idle <= len(l.waiting) {
		return
	}
	at := cut(page[0].Key, s.After, s.Upto, l.reach)
	if at == "" {
		return
	}
	l.waiting = append(l.waiting, &span{Range: Range{After: at, Upto: s.Upto}, taken: true})
	s.Upto = at // L1: the cut itself belongs to the near part
	l.wakeLocked()
}

func (l *lister) stateLocked() State {
	s := State{Begun: true}
	for _, all := range [][]*span{l.active, l.waiting} {
		for _, x := range all {
			s.Left = append(s.Left, x.Range)
		}
	}
	return s
}
