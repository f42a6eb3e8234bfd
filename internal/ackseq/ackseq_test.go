package ackseq

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestValuesComeOutInOrderWhenTheyBecomeContiguous(t *testing.T) {
	var s Seq[string]
	for range 4 {
		s.Next()
	}
	for _, step := range []struct {
		n       int64
		want    string
		pending int
	}{{1, "[]", 4}, {0, "[v0 v1]", 2}, {3, "[]", 2}, {2, "[v2 v3]", 0}} {
		got, err := s.Ack(step.n, fmt.Sprintf("v%d", step.n))
		if err != nil || fmt.Sprint(got) != step.want || s.Pending() != step.pending {
			t.Errorf("after %d: %v, %d pending, %v; want %s, %d", step.n, got, s.Pending(), err, step.want, step.pending)
		}
	}
}

func TestANumberIsCompletedOnceAndOnlyIfItWasHandedOut(t *testing.T) {
	var s Seq[int]
	if _, err := s.Ack(0, 0); err == nil {
		t.Error("a number that was never handed out was completed")
	}
	a, b := s.Next(), s.Next()
	for _, n := range []int64{-1, 2} {
		if _, err := s.Ack(n, 0); err == nil {
			t.Errorf("number %d was completed", n)
		}
	}
	if _, err := s.Ack(b, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ack(b, 8); err == nil {
		t.Error("a number that waits was completed twice")
	}
	if got, err := s.Ack(a, 6); err != nil || !slices.Equal(got, []int{6, 7}) {
		t.Errorf("%v %v: the second completion changed the first", got, err)
	}
	if _, err := s.Ack(a, 9); err == nil {
		t.Error("a number that has come out was completed twice")
	}
}

// checkSeq drives a Seq with random bytes and compares it with the obvious model: all that is done, and where the first gap is.
func checkSeq(t *testing.T, script []byte) {
	t.Helper()
	var s Seq[int64]
	var out []int64
	var open []int64
	handed := int64(0)
	done := map[int64]bool{}
	for _, b := range script {
		if b%2 == 0 || len(open) == 0 {
			if n := s.Next(); n != handed {
				t.Fatalf("number %d, want %d", n, handed)
			}
			open = append(open, handed)
			handed++
			continue
		}
		i := int(b) % len(open)
		n := open[i]
		open = slices.Delete(open, i, i+1)
		got, err := s.Ack(n, n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, got...)
		done[n] = true
		prefix := int64(0)
		for done[prefix] {
			prefix++
		}
		if int64(len(out)) != prefix || s.Pending() != int(handed-prefix) {
			t.Fatalf("%d values out, %d pending; want %d and %d", len(out), s.Pending(), prefix, handed-prefix)
		}
	}
	for i, v := range out {
		if v != int64(i) {
			t.Fatalf("value %d came out at place %d", v, i)
		}
	}
}

func TestAnyOrderOfCompletionsGivesTheSameSequence(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		script := make([]byte, r.IntN(300))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		checkSeq(t, script)
	}
}

func FuzzSeq(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 1, 1})
	f.Fuzz(checkSeq)
}

// A long life with a small window must not keep what has come out.
func TestMemoryFollowsTheWindowAndNotTheHistory(t *testing.T) {
	var s Seq[[]byte]
	s.Next()
	for range 200_000 {
		n := s.Next()
		if _, err := s.Ack(n-1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if c := cap(s.done); c > 1024 {
		t.Errorf("room for %d numbers is kept for a window of 1", c)
	}
}
