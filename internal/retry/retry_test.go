package retry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var errBoom = errors.New("boom")

func TestDo(t *testing.T) {
	permanent := errors.New("permanent")
	for _, c := range []struct {
		name      string
		policy    Policy
		results   []error
		wantTries int
		wantErr   error
	}{
		{"success at once", Default(), []error{nil}, 1, nil},
		{"success at the third try", Default(), []error{errBoom, errBoom, nil}, 3, nil},
		{"the attempts are used up", Policy{Attempts: 3, Base: time.Second, Max: time.Second}, []error{errBoom, errBoom, errBoom, nil}, 3, errBoom},
		{"a permanent error is not repeated", Default(), []error{errBoom, permanent, nil}, 2, permanent},
		{"the zero policy tries once", Policy{}, []error{errBoom, nil}, 1, errBoom},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				tries, err := Do(t.Context(), c.policy, func(err error) bool { return errors.Is(err, permanent) }, func(context.Context) error {
					calls++
					return c.results[calls-1]
				})
				if tries != c.wantTries || calls != c.wantTries || !errors.Is(err, c.wantErr) {
					t.Errorf("%d tries, %d calls, %v; want %d, %v", tries, calls, err, c.wantTries, c.wantErr)
				}
			})
		})
	}
}

func TestWhoIsToldHearsOfEveryTryThatIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []int
		p := Policy{Attempts: 4, Base: time.Second, Max: time.Second, Told: func(tries int, err error) {
			if !errors.Is(err, errBoom) {
				t.Errorf("told of %v", err)
			}
			heard = append(heard, tries)
		}}
		if tries, _ := Do(t.Context(), p, nil, func(context.Context) error { return errBoom }); tries != 4 || len(heard) != 3 || heard[2] != 3 {
			t.Errorf("%d tries, told of %v: the last one is the caller's", tries, heard)
		}
	})
}

func TestWhoWasToldOfFailedTriesHearsWhenOneDoesNotFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		p := Policy{Attempts: 4, Base: time.Second, Max: time.Second, Told: func(tries int, err error) { heard = append(heard, fmt.Sprint(tries, " ", err)) }}
		for _, failing := range []int{0, 2} {
			n := 0
			if _, err := Do(t.Context(), p, nil, func(context.Context) error {
				if n++; n <= failing {
					return errBoom
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{"1 boom", "2 boom", "3 <nil>"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
}

func TestWithoutAJudgeEveryErrorIsTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if tries, err := Do(t.Context(), Default(), nil, func(context.Context) error { return errBoom }); tries != 6 || !errors.Is(err, errBoom) {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}

func TestTheEndOfTheContextCutsAWaitAndTheLastErrorIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		tries, err := Do(ctx, Policy{Attempts: 1000, Base: 24 * time.Hour, Max: 24 * time.Hour}, nil, func(context.Context) error { return errBoom })
		if !errors.Is(err, errBoom) || tries == 1000 || time.Since(began) > 2*time.Millisecond {
			t.Errorf("%d tries, %v, after %v", tries, err, time.Since(began))
		}
	})
}

func TestAnErrorAfterTheEndOfTheContextIsNotRepeated(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries, err := Do(ctx, Policy{Attempts: 5}, nil, func(context.Context) error { cancel(); return errBoom })
	if tries != 1 || !errors.Is(err, errBoom) {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestWaitsAreJitteredBelowADoublingLimit(t *testing.T) {
	p := Policy{Attempts: 10, Base: 100 * time.Millisecond, Max: time.Second}
	for tries, limit := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 3: 400 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 6: time.Second, 1000: time.Second,
	} {
		var least, most time.Duration = time.Hour, -1
		for range 2000 {
			w := p.Wait(tries)
			least, most = min(least, w), max(most, w)
		}
		if least < 0 || most > limit || most < limit*9/10 || least > limit/10 {
			t.Errorf("after %d tries: between %v and %v, want all of [0, %v]", tries, least, most, limit)
		}
	}
	if w := (Policy{}).Wait(1); w != 0 {
		t.Errorf("the zero policy waits %v", w)
	}
	if w := (Policy{Base: time.Hour, Max: time.Second}).Wait(1); w > time.Second {
		t.Errorf("a base above the maximum waits %v", w)
	}
}

func TestSleepSaysWhetherTheContextLetIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !Sleep(t.Context(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("slept %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if Sleep(ctx, time.Minute) || time.Since(began) != time.Minute+time.Second {
			t.Errorf("slept %v", time.Since(began))
		}
	})
}

func TestTheErrorBeforeATimeOutIsKept(t *testing.T) {
	refused := errors.New("connection refused")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries, err := Do(ctx, Policy{Attempts: 9}, nil, func(ctx context.Context) error {
		if ctx.Err() == nil {
			defer cancel()
			return refused
		}
		return ctx.Err()
	})
	if !errors.Is(err, refused) {
		t.Errorf("after %d tries: %v", tries, err)
	}
	again, stop := context.WithCancel(t.Context())
	defer stop()
	asked := 0
	tries, err = Do(again, Policy{Attempts: 9}, nil, func(ctx context.Context) error {
		if asked++; asked == 1 {
			return refused
		}
		stop()
		return ctx.Err()
	})
	if tries != 2 || !errors.Is(err, refused) || !errors.Is(err, context.Canceled) {
		t.Errorf("cut off in the second try: %d tries, %v", tries, err)
	}
}
