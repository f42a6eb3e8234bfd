package sinks_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

// sluggish is a sink that takes a while to take a range over, and another one to make it durable, or to say that it never will be.
type sluggish struct {
	sinks.Sink
	take, keep time.Duration
	says       error
}

func (s sluggish) Write(_ context.Context, _ schemas.Range, _ []schemas.Row, done func(error)) error {
	time.Sleep(s.take)
	time.AfterFunc(s.keep, func() { done(s.says) })
	return nil
}

func (sluggish) Buffered() (held, limit int64) { return 30, 40 }

func (sluggish) Resume(context.Context, schemas.SourceID, int64) (next int64, known bool, err error) {
	return 0, false, nil
}

// closed is a sink that takes nothing.
type closed struct{ sluggish }

func (closed) Write(context.Context, schemas.Range, []schemas.Row, func(error)) error {
	time.Sleep(time.Second)
	return errors.New("closed")
}

// TestATeeCountsForEachMember tells which of three is slow: one that takes long to take ranges over, while it does and when it has, one that is long until rows are durable, and one that fails.
func TestATeeCountsForEachMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &sinks.RefusedError{Offsets: []sinks.RefusedOffset{{Offset: 2, Err: errors.New("too long")}}}
		s := tee(t, nil,
			sinks.Member{Name: "full", Sink: sluggish{take: 6 * time.Second}},
			sinks.Member{Name: "late", Sink: sluggish{keep: time.Minute, says: refused}},
			sinks.Member{Name: "lost", Sink: sluggish{keep: time.Minute, says: sinks.ErrForgotten}},
			sinks.Member{Name: "gone", Sink: closed{}, BestEffort: true})
		resume(t, s)
		is := func(when string, want ...sinks.MemberStats) {
			t.Helper()
			synctest.Wait()
			for i, got := range s.Stats() {
				if got != want[i] {
					t.Errorf("%s: %+v, want %+v", when, got, want[i])
				}
			}
		}
		full, late, lost, gone := sinks.MemberStats{Name: "full", Held: 30, Limit: 40}, sinks.MemberStats{Name: "late", Held: 30, Limit: 40}, sinks.MemberStats{Name: "lost", Held: 30, Limit: 40},
			sinks.MemberStats{Name: "gone", Held: 30, Limit: 40, BestEffort: true}
		is("at first", full, late, lost, gone)
		written := make(chan struct{})
		go func() {
			write(t, s, 0, 10)
			close(written)
		}()
		time.Sleep(4 * time.Second)
		_, rows := sinktest.Make(src, 0, 10)
		n := int64(len(rows))
		full.Waiting, full.Write = n, 4*time.Second
		is("while the first is full", full, late, lost, gone)
		<-written
		full.Rows, full.Waiting, full.Write, full.Settled, full.Durable = n, 0, 6*time.Second, n, float64(n)*6
		late.Rows, late.Waiting, lost.Rows, lost.Waiting, gone.Write, gone.Dropped = n, n, n, n, time.Second, n
		is("when all have the range, but the last, which is left out", full, late, lost, gone)
		time.Sleep(time.Hour)
		late.Waiting, late.Settled, late.Durable, lost.Waiting = 0, n, float64(n)*60, 0
		is("when it is settled", full, late, lost, gone)
	})
}

// Several writers that are at it beside each other count each; those that have not ended count until now.
func TestOccupiedAddsUpWhoIsAtIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var o sinks.Occupied
		total := func(at, want int) {
			t.Helper()
			time.Sleep(time.Until(start.Add(time.Duration(at) * time.Second)))
			if got := o.Total(); got != time.Duration(want)*time.Second {
				t.Errorf("after %d s: %s, want %d s", at, got, want)
			}
		}
		total(100, 0)
		if at := o.Begin(); !at.Equal(time.Now()) {
			t.Errorf("it begins at %s", at)
		}
		total(103, 3)
		total(104, 4)
		o.Begin()
		total(106, 6+2)
		total(107, 7+3)
		o.End()
		total(110, 7+6)
		o.End()
		total(1000, 7+6)
	})
}

// TestOccupiedNeverStepsBack looks at the sum while somebody begins and ends, and others look, too.
func TestOccupiedNeverStepsBack(t *testing.T) {
	var o sinks.Occupied
	var looking sync.WaitGroup
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 200_000 {
			o.Begin()
			o.End()
		}
	}()
	for range 8 {
		looking.Go(func() {
			for last := time.Duration(0); ; {
				now := o.Total()
				if now < last {
					t.Errorf("%s after %s", now, last)
					return
				}
				last = now
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	looking.Wait()
	<-ended
}
