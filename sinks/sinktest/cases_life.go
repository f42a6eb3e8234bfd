package sinktest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"vecmill/sinks"
)

func independentSources(t *testing.T, f Fixture) {
	s := f.Open(t)
	const n = 5
	var wg sync.WaitGroup
	tallies := make([]*tally, n)
	for i := range n {
		resume(t, s, source(i), 0)
		tallies[i] = newTally(t)
		wg.Go(func() {
			for o := int64(0); o < 60; o += 6 {
				if err := tallies[i].try(context.Background(), s, source(i), o, o+6); err != nil {
					t.Errorf("source %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	s.Forget(source(n - 1))
	closeSink(t, s)
	for i := range n - 1 {
		tallies[i].allDurable()
		audit(t, f, source(i), 0, 60)
	}
	tallies[n-1].settled()
}

func reentrantDone(t *testing.T, f Fixture) {
	s, src := started(t, f)
	r, rows := Make(src, 0, 10)
	reported := make(chan error, 1)
	err := s.Write(context.Background(), r, rows, func(err error) {
		s.Forget(source(1)) // deadlocks if a lock is held
		reported <- err
	})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, s)
	if err := <-reported; err != nil {
		t.Fatal(err)
	}
	closeSink(t, s)
}

func cancelledFlush(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 10)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Flush(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled flush gives %v", err)
	}
	flush(t, s)
	c.allDurable()
	closeSink(t, s)
	audit(t, f, src, 0, 10)
}

func closeTwice(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 10)
	closeSink(t, s)
	c.allDurable()
	closeSink(t, s)
	audit(t, f, src, 0, 10)
}

func closeUnused(t *testing.T, f Fixture) {
	s := f.Open(t)
	closeSink(t, s)
}

func writeAfterClose(t *testing.T, f Fixture) {
	s, src := started(t, f)
	closeSink(t, s)
	if err := newTally(t).try(context.Background(), s, src, 0, 1); err == nil {
		t.Fatal("a closed sink took a range")
	}
	s.Forget(src)
	if err := s.Flush(context.Background()); err != nil && errors.Is(err, sinks.ErrForgotten) {
		t.Fatalf("flushing a closed sink: %v", err)
	}
}
