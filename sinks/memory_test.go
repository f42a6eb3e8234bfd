package sinks_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"vecmill/schemas"
	"vecmill/sinks"
)

// line is a Memory with the lock that guards it, and who is in.
type line struct {
	sync.Mutex
	sinks.Memory[string]
	pressed []int64
	in      []string
}

// enter has somebody ask for n bytes, and goes on when he has them or waits.
func (l *line) enter(ctx context.Context, of string, n int64) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		l.Lock()
		defer l.Unlock()
		err := l.Admit(ctx, l, of, n)
		if err == nil {
			l.in = append(l.in, of)
		}
		ended <- err
	}()
	synctest.Wait()
	return ended
}

// TestMemoryIsGivenInTheOrderInWhichItWasAskedFor has small ones behind a large one, which would fit before it does.
func TestMemoryIsGivenInTheOrderInWhichItWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, closed := errors.New("gone"), errors.New("closed")
		l := &line{}
		l.Limit, l.Press = 100, func(need int64) { l.pressed = append(l.pressed, need) }
		is := func(when string, held int64, in ...string) {
			t.Helper()
			synctest.Wait()
			l.Lock()
			defer l.Unlock()
			if slices.Sort(l.in); l.Held() != held || !slices.Equal(l.in, in) {
				t.Errorf("%s: %q have %d bytes, want %q and %d", when, l.in, l.Held(), in, held)
			}
		}
		do := func(f func()) {
			l.Lock()
			defer l.Unlock()
			f()
		}
		l.enter(t.Context(), "a", 60)
		ctx, cancel := context.WithCancel(t.Context())
		l.enter(t.Context(), "b", 80)
		c := l.enter(ctx, "c", 30)
		l.enter(t.Context(), "d", 20)
		is("while a has too much for b", 60, "a")
		if !slices.Equal(l.pressed, []int64{80, 80, 80}) {
			t.Errorf("pressed for %d", l.pressed)
		}
		do(func() { l.Free(60) })
		is("while b leaves too little for c", 80, "a", "b")
		cancel()
		is("when c does not want any more", 100, "a", "b", "d")
		if err := <-c; !errors.Is(err, context.Canceled) {
			t.Errorf("c is told %v", err)
		}
		e := l.enter(t.Context(), "e", 300)
		f := l.enter(t.Context(), "f", 1)
		do(func() { l.Refuse("f", gone) })
		if err := <-f; !errors.Is(err, gone) {
			t.Errorf("f is told %v", err)
		}
		do(func() { l.Free(80) })
		is("while anybody is there, who would have to share with e", 20, "a", "b", "d")
		do(func() { l.Free(20) })
		is("when e is alone", 300, "a", "b", "d", "e")
		if err := <-e; err != nil {
			t.Error(err)
		}
		last := l.enter(t.Context(), "g", 1)
		do(func() { l.RefuseAll(closed) })
		if err := <-last; !errors.Is(err, closed) {
			t.Errorf("g is told %v", err)
		}
		is("at the end", 300, "a", "b", "d", "e")
	})
}

func TestWhoDoesNotWaitGetsWhatIsThere(t *testing.T) {
	var l line
	l.Limit, l.Press = 100, func(need int64) { l.pressed = append(l.pressed, need) }
	over, cancel := context.WithCancel(t.Context())
	cancel()
	l.Lock()
	defer l.Unlock()
	if err := l.Admit(over, &l, "a", 60); err != nil {
		t.Error(err)
	}
	l.Pressed()
	if !slices.Equal(l.pressed, []int64{25}) {
		t.Errorf("pressed for %d, want a quarter before it is needed", l.pressed)
	}
	if err := l.Admit(over, &l, "b", 60); !errors.Is(err, context.Canceled) || l.Held() != 60 {
		t.Errorf("%v, %d bytes are held", err, l.Held())
	}
	if err := l.Admit(over, &l, "c", 40); err != nil {
		t.Errorf("nobody is in the line, and it is told %v", err)
	}
}

// TestASourceThatWasGivenUpMeanwhileTakesNothing has one that takes the range when it is asked first, and not when there is memory for it.
func TestASourceThatWasGivenUpMeanwhileTakesNothing(t *testing.T) {
	var l line
	l.Limit, l.Press = 100, func(int64) {}
	l.Lock()
	defer l.Unlock()
	gone, asked := errors.New("it was given up"), 0
	accepts := func() error {
		if asked++; asked > 1 {
			return gone
		}
		return nil
	}
	if err := l.Take(t.Context(), &l, "a", &schemas.Range{}, 60, accepts); !errors.Is(err, gone) || l.Held() != 0 {
		t.Errorf("%v, %d bytes are held", err, l.Held())
	}
}
