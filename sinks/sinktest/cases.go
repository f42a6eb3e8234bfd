package sinktest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
)

func source(n int) schemas.SourceID {
	return schemas.SourceID{Pipeline: "pipe", Topic: "topic", Partition: n}
}

func resume(t testing.TB, s sinks.Sink, src schemas.SourceID, from int64) (int64, bool) {
	t.Helper()
	next, known, err := s.Resume(context.Background(), src, from)
	if err != nil {
		t.Fatalf("resuming %s from %d: %v", src, from, err)
	}
	return next, known
}

func flush(t testing.TB, s sinks.Sink) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func closeSink(t testing.TB, s sinks.Sink) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func audit(t testing.TB, f Fixture, src schemas.SourceID, first, next int64) {
	t.Helper()
	a := f.Read(t, src)
	if err := a.Audit(src, first, next, f.RecordsFates); err != nil {
		t.Fatal(err)
	}
}

// started is a sink that has resumed source 0.
func started(t testing.TB, f Fixture) (sinks.Sink, schemas.SourceID) {
	t.Helper()
	s := f.Open(t)
	resume(t, s, source(0), 0)
	return s, source(0)
}

func unknownSource(t *testing.T, f Fixture) {
	s := f.Open(t)
	if next, known := resume(t, s, source(0), 12); known {
		t.Fatalf("an empty store resumes at %d", next)
	}
	closeSink(t, s)
}

func readBack(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 10)
	c.write(s, src, 10, 60)
	flush(t, s)
	audit(t, f, src, 0, 60)
	c.write(s, src, 60, 61)
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 61)
}

func reportedInOrder(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	for o := int64(0); o < 40; o++ {
		c.write(s, src, o, o+1)
		if o%9 == 0 {
			flush(t, s)
		}
	}
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 40)
}

func flushWaits(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	for o := int64(0); o < 5; o++ {
		c.write(s, src, o*10, o*10+10)
	}
	flush(t, s)
	if n := c.reported(); n != 5 {
		t.Fatalf("flush returned after %d of 5 dones", n)
	}
	closeSink(t, s)
}

func flushNothing(t *testing.T, f Fixture) {
	s, _ := started(t, f)
	flush(t, s)
	flush(t, s)
	closeSink(t, s)
}

func resumeAfterCrash(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 25)
	flush(t, s)
	c.write(s, src, 25, 30) // not flushed: may be lost
	crashed := s

	s = f.Open(t)
	next, known := resume(t, s, src, 0)
	if !f.Chained {
		next = 0
	} else if !known || next != 25 && next != 30 && (!f.Splits || next < 25 || next > 30) {
		t.Fatalf("resumed at %d (known %v), want 25 or 30; within the range: %v", next, known, f.Splits)
	}
	newTally(t).write(s, src, next, 50)
	closeSink(t, s)
	audit(t, f, src, 0, 50)
	crashed.Forget(src) // only so that its timers do not outlive the test
}

func hints(t *testing.T, f Fixture) {
	if !f.Chained {
		return
	}
	s, src := started(t, f)
	c := newTally(t)
	for o := int64(0); o < 100; o += 20 {
		c.write(s, src, o, o+20)
		flush(t, s)
	}
	closeSink(t, s)
	for _, from := range []int64{0, 1, 19, 20, 21, 79, 80, 99, 100, 101, 5000, 1 << 40} {
		s := f.Open(t)
		if next, known := resume(t, s, src, from); !known || next != 100 {
			t.Fatalf("with the hint %d it resumes at %d (known %v), want 100", from, next, known)
		}
		closeSink(t, s)
	}
}

func repeatedOffsets(t *testing.T, f Fixture) {
	s, src := started(t, f)
	newTally(t).write(s, src, 0, 30)
	closeSink(t, s)

	s = f.Open(t)
	resume(t, s, src, 0)
	c := newTally(t)
	c.write(s, src, 0, 12)
	c.write(s, src, 12, 45) // straddles
	c.write(s, src, 45, 50)
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 50)
}

func emptyRanges(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 3)
	c.write(s, src, 3, 4) // dead
	flush(t, s)
	c.write(s, src, 4, 5)
	c.write(s, src, 5, 6) // skipped
	flush(t, s)
	c.write(s, src, 6, 10)
	c.write(s, src, 10, 11) // dead
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 11)
	if !f.Chained {
		return
	}
	s = f.Open(t)
	if next, known := resume(t, s, src, 11); !known || next != 11 {
		t.Fatalf("resumed at %d (known %v), want 11", next, known)
	}
	closeSink(t, s)
}

func largeRow(t *testing.T, f Fixture) {
	s, src := started(t, f)
	r, rows := Make(src, 0, 1)
	rows[0].Attributes = map[string]string{"big": strings.Repeat("0123456789abcdef", 1<<18)} // 4 MiB
	reported := make(chan error, 1)
	if err := s.Write(context.Background(), r, rows, func(err error) { reported <- err }); err != nil {
		t.Fatal(err)
	}
	closeSink(t, s)
	if err := <-reported; err != nil {
		t.Fatal(err)
	}
	a := f.Read(t, src)
	if len(a.Rows) != 1 || a.Rows[0].Attributes["big"] != rows[0].Attributes["big"] {
		t.Fatalf("read back %d rows, or a changed attribute", len(a.Rows))
	}
}

func gapRefused(t *testing.T, f Fixture) {
	if !f.Chained {
		return
	}
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 10)
	if err := c.try(context.Background(), s, src, 11, 12); err == nil {
		t.Fatal("a range after a gap was taken")
	}
	c.write(s, src, 10, 20)
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 20)

	s = f.Open(t)
	resume(t, s, src, 0)
	if err := newTally(t).try(context.Background(), s, src, 21, 22); err == nil {
		t.Fatal("a range beyond the durable end was taken")
	}
	closeSink(t, s)
}

func twoOwners(t *testing.T, f Fixture) {
	if !f.Chained {
		return
	}
	a, src := started(t, f)
	b := f.Open(t)
	resume(t, b, src, 0)
	ca, cb := newTally(t), newTally(t)
	ca.write(a, src, 0, 17)
	cb.write(b, src, 0, 10)
	flush(t, b) // wins [0, 10)
	ca.write(a, src, 17, 20)
	flush(t, a) // loses that, wins [10, 20)
	cb.write(b, src, 10, 14)
	flush(t, b) // has nothing new
	cb.write(b, src, 14, 33)
	closeSink(t, b) // wins [20, 33)
	ca.write(a, src, 20, 31)
	ca.write(a, src, 31, 40)
	closeSink(t, a) // wins [33, 40)
	ca.allDurable()
	cb.allDurable()
	audit(t, f, src, 0, 40)
}

func zombie(t *testing.T, f Fixture) {
	if !f.Chained {
		return
	}
	z, src := started(t, f)
	cz := newTally(t)
	cz.write(z, src, 0, 30) // buffered, then paused

	s := f.Open(t)
	resume(t, s, src, 0)
	newTally(t).write(s, src, 0, 90)
	closeSink(t, s)

	cz.write(z, src, 30, 60) // wakes
	closeSink(t, z)
	cz.allDurable()
	audit(t, f, src, 0, 90)
}

func forget(t *testing.T, f Fixture) {
	s, src := started(t, f)
	c := newTally(t)
	c.write(s, src, 0, 10)
	flush(t, s)
	c.write(s, src, 10, 20)
	c.write(s, src, 20, 30)
	s.Forget(src)
	errs := c.settled()
	for _, first := range []int64{10, 20} { // a sink that writes at once may have them already
		if err := errs[first]; err != nil && !errors.Is(err, sinks.ErrForgotten) {
			t.Fatalf("the range at %d was reported with %v", first, err)
		}
	}
	next, known := resume(t, s, src, 10)
	if !known {
		next = 0
	}
	c = newTally(t)
	c.write(s, src, next, 40)
	closeSink(t, s)
	c.allDurable()
	audit(t, f, src, 0, 40)
}

func forgetUnknown(t *testing.T, f Fixture) {
	s := f.Open(t)
	s.Forget(source(7))
	closeSink(t, s)
}
