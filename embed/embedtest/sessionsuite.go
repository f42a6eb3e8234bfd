package embedtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/embed"
)

// SessionCase is what TestSession needs to know of an implementation.
type SessionCase struct {
	Open   func(t *testing.T) embed.Session // a session of its own each time; the suite closes it
	Inputs func(seed int) []embed.Tensor    // valid inputs, the one with the values first; another seed gives other values

	// Endless gives a session and inputs whose run takes much longer than a minute unless it is stopped.
	Endless func(t *testing.T) (embed.Session, []embed.Tensor)
}

// TestSession is the conformance suite of embed.Session. One thing it cannot see from outside is whether a run has really begun when Close or
// cancel comes; it gives it a tenth of a second.
func TestSession(t *testing.T, c SessionCase) {
	t.Run("runs from eight goroutines give the bits of a single one", func(t *testing.T) { concurrent(t, c) })
	t.Run("inputs are left as they were", func(t *testing.T) { inputsKept(t, c) })
	t.Run("outputs belong to the caller", func(t *testing.T) { outputsOwned(t, c) })
	t.Run("a context that has ended ends the run with its error", func(t *testing.T) { cancelledBefore(t, c) })
	t.Run("a run under way ends when its context does", func(t *testing.T) { cancelledDuring(t, c) })
	t.Run("a deadline ends the run with its error", func(t *testing.T) { deadline(t, c) })
	t.Run("a run after a cancelled one is not disturbed", func(t *testing.T) { afterCancel(t, c) })
	t.Run("an unknown input is named", func(t *testing.T) { unknownInput(t, c) })
	t.Run("a missing input is named", func(t *testing.T) { missingInput(t, c) })
	t.Run("values that do not fill the shape are an error", func(t *testing.T) { shortValues(t, c) })
	t.Run("close waits for runs, twice is fine, and a run after it fails", func(t *testing.T) { closing(t, c) })
}

// settle is how long a run is given to begin.
const settle = 100 * time.Millisecond

// patience is how long something that must happen soon may take on a loaded machine.
const patience = 30 * time.Second

func opened(t *testing.T, c SessionCase) embed.Session {
	t.Helper()
	s := c.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func mustRun(t *testing.T, s embed.Session, inputs []embed.Tensor) *embed.Output {
	t.Helper()
	out, err := s.Run(t.Context(), inputs)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if len(out.Tensors) == 0 {
		t.Fatal("Run gave no tensor")
	}
	return out
}

// sameTensors compares names, shapes and values; NaN equals NaN of any kind.
func sameTensors(a, b []embed.Tensor) bool {
	return slices.EqualFunc(a, b, func(x, y embed.Tensor) bool {
		return x.Name == y.Name && slices.Equal(x.Shape, y.Shape) && slices.Equal(x.I64, y.I64) &&
			slices.EqualFunc(x.F32, y.F32, func(v, w float32) bool { return v == w || v != v && w != w })
	})
}

func clone(all []embed.Tensor) []embed.Tensor {
	c := slices.Clone(all)
	for i := range c {
		c[i].Shape, c[i].F32, c[i].I64 = slices.Clone(c[i].Shape), slices.Clone(c[i].F32), slices.Clone(c[i].I64)
	}
	return c
}

func concurrent(t *testing.T, c SessionCase) {
	s := opened(t, c)
	const seeds = 4
	var want [seeds]*embed.Output
	for seed := range want {
		want[seed] = mustRun(t, s, c.Inputs(seed))
	}
	if sameTensors(want[0].Tensors, want[1].Tensors) {
		t.Fatal("two seeds give the same output: the case proves nothing")
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for k := range 20 {
				seed := (g + k) % seeds
				out, err := s.Run(t.Context(), c.Inputs(seed))
				if err != nil {
					t.Errorf("goroutine %d, run %d: %v", g, k, err)
					return
				}
				if !sameTensors(out.Tensors, want[seed].Tensors) {
					t.Errorf("goroutine %d, run %d: differs from the single run", g, k)
					return
				}
			}
		})
	}
	wg.Wait()
}

func inputsKept(t *testing.T, c SessionCase) {
	s := opened(t, c)
	inputs := c.Inputs(1)
	before := clone(inputs)
	mustRun(t, s, inputs)
	if !sameTensors(inputs, before) {
		t.Error("Run changed its inputs")
	}
}

func outputsOwned(t *testing.T, c SessionCase) {
	s := opened(t, c)
	first := mustRun(t, s, c.Inputs(1))
	want := clone(first.Tensors)
	mustRun(t, s, c.Inputs(2))
	if !sameTensors(first.Tensors, want) {
		t.Error("a later run changed an earlier output")
	}
	for i := range first.Tensors {
		clear(first.Tensors[i].F32)
		clear(first.Tensors[i].I64)
	}
	if again := mustRun(t, s, c.Inputs(1)); !sameTensors(again.Tensors, want) {
		t.Error("writing to an output changed a later run")
	}
}

func cancelledBefore(t *testing.T, c SessionCase) {
	s := opened(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, c.Inputs(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
}

func endless(t *testing.T, c SessionCase) (embed.Session, []embed.Tensor) {
	t.Helper()
	s, inputs := c.Endless(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, inputs
}

func cancelledDuring(t *testing.T, c SessionCase) {
	s, inputs := endless(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1) // holds the one result, so that the goroutine ends even if nobody looks
	go func() {
		_, err := s.Run(ctx, inputs)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("the run ended by itself: %v", err)
	case <-time.After(settle):
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context.Canceled", err)
		}
	case <-time.After(patience):
		t.Fatal("the run goes on after its context was cancelled")
	}
}

func deadline(t *testing.T, c SessionCase) {
	s, inputs := endless(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), settle)
	defer cancel()
	if _, err := s.Run(ctx, inputs); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want context.DeadlineExceeded", err)
	}
}

func afterCancel(t *testing.T, c SessionCase) {
	s := opened(t, c)
	want := mustRun(t, s, c.Inputs(3))
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel() // anywhere in the run, or after it
		if out, err := s.Run(ctx, c.Inputs(3)); err == nil {
			if !sameTensors(out.Tensors, want.Tensors) {
				t.Fatal("a run that beat its cancel gave another output")
			}
		} else if !errors.Is(err, context.Canceled) {
			t.Fatalf("Run = %v, want context.Canceled", err)
		}
		cancel()
	}
	if out := mustRun(t, s, c.Inputs(3)); !sameTensors(out.Tensors, want.Tensors) {
		t.Error("cancelled runs changed a later one")
	}
}

func wantNamed(t *testing.T, s embed.Session, inputs []embed.Tensor, name string) {
	t.Helper()
	switch _, err := s.Run(t.Context(), inputs); {
	case err == nil:
		t.Error("Run accepted the inputs")
	case !strings.Contains(err.Error(), name):
		t.Errorf("Run = %q, which does not name %s", err, name)
	}
}

func unknownInput(t *testing.T, c SessionCase) {
	s := opened(t, c)
	extra := embed.Tensor{Name: "no_such_input", Shape: []int64{1}, I64: []int64{1}}
	wantNamed(t, s, append(c.Inputs(0), extra), extra.Name)
}

func missingInput(t *testing.T, c SessionCase) {
	s := opened(t, c)
	inputs := c.Inputs(0)
	wantNamed(t, s, inputs[1:], inputs[0].Name)
}

func shortValues(t *testing.T, c SessionCase) {
	s := opened(t, c)
	inputs := c.Inputs(0)
	if in := &inputs[0]; in.F32 != nil {
		in.F32 = in.F32[:len(in.F32)-1]
	} else {
		in.I64 = in.I64[:len(in.I64)-1]
	}
	wantNamed(t, s, inputs, inputs[0].Name)
}

func closing(t *testing.T, c SessionCase) {
	s, inputs := c.Endless(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ran)
		if _, err := s.Run(ctx, inputs); err == nil {
			t.Error("an endless run succeeded")
		}
	}()
	time.Sleep(settle)
	go func() {
		defer close(closed)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	time.Sleep(settle)
	select {
	case <-closed:
		select {
		case <-ran: // the run had not begun when Close came, and was refused
		default:
			t.Error("Close returned while a run was under way")
		}
	default:
	}
	cancel()
	<-ran
	<-closed
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := s.Run(t.Context(), inputs); err == nil {
		t.Error("Run after Close succeeded")
	}
}
