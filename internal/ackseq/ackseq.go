// Package ackseq finds the contiguous prefix of out-of-order completions: the arithmetic under every commit point (I2).
package ackseq

import "fmt"

// Seq tracks completions of consecutive sequence numbers. Its zero value begins at 0. It is not safe for concurrent use.
type Seq[T any] struct {
	base int64 // first number that is not complete
	next int64 // first number that was not handed out
	done []slot[T]
}

type slot[T any] struct {
	ok bool
	v  T
}

// Next hands out the next sequence number.
func (s *Seq[T]) Next() int64 {
	s.done = append(s.done, slot[T]{})
	s.next++
	return s.next - 1
}

// Ack completes number n with a value and returns the values that this makes contiguous, in order. Completing a number twice, or
// one that was never handed out, is an error of the caller.
func (s *Seq[T]) Ack(n int64, v T) ([]T, error) {
	if n < s.base || n >= s.next {
		return nil, fmt.Errorf("ackseq: number %d is outside [%d, %d)", n, s.base, s.next)
	}
	at := &s.done[n-s.base]
	if at.ok {
		return nil, fmt.Errorf("ackseq: number %d was completed twice", n)
	}
	at.ok, at.v = true, v
	k := 0
	for k < len(s.done) && s.done[k].ok {
		k++
	}
	if k == 0 {
		return nil, nil
	}
	out := make([]T, k)
	for i := range out {
		out[i] = s.done[i].v
	}
	clear(s.done[:k])
	s.done = s.done[k:]
	s.base += int64(k)
	return out, nil
}

// Pending is how many numbers are handed out and not yet part of the contiguous prefix.
func (s *Seq[T]) Pending() int { return int(s.next - s.base) }
