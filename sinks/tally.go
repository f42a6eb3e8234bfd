package sinks

import (
	"context"
	"sync"
	"time"

	"vecmill/schemas"
)

// MemberStats is what a Tee has counted of one member: totals since it was made, and what the member holds now. What is copied to a member from another
// one when a source is resumed is not in them.
type MemberStats struct {
	Name        string
	BestEffort  bool
	Rows        int64         // that it has taken over
	Waiting     int64         // rows that it was handed and that are neither durable in it nor given up, with those of calls that have not returned
	Write       time.Duration // that it took to take ranges over, and was too full to, with calls that have not returned; sources write beside each other
	Settled     int64         // rows of which it has said that they are durable, a refused one among them like the others of its range; those that it gave up are not in it
	Durable     float64       // seconds from being handed to it until being durable in it, summed over the rows of Settled: too long a sum for a Duration
	Dropped     int64         // rows that a best-effort one was not given, since it was full or had failed; no other number has them
	Held, Limit int64         // bytes of rows that it holds in memory, estimated, and the most it may; 0 and 0 of one that does not say
}

// Buffer is a sink that says what it holds in memory.
type Buffer interface {
	// Buffered is the estimated size of the rows held in memory and its limit, in bytes. It does not block on the store, and is safe for concurrent use.
	Buffered() (held, limit int64)
}

// Stats says of each member, in their order, what it was handed and how long it took.
func (t *Tee) Stats() []MemberStats {
	all := make([]MemberStats, len(t.members))
	for i, m := range t.members {
		all[i] = t.tallies[i].stats()
		all[i].Name, all[i].BestEffort = m.Name, m.BestEffort
		if b, ok := m.Sink.(Buffer); ok {
			all[i].Held, all[i].Limit = b.Buffered()
		}
	}
	return all
}

// tally counts what one member is handed: once a range, whatever is in it.
type tally struct {
	busy Occupied
	mu   struct {
		sync.Mutex
		rows, waiting, settled, dropped int64
		durable                         float64
	}
}

// write hands a range to s and counts it.
func (t *tally) write(ctx context.Context, s Sink, r schemas.Range, rows []schemas.Row, done func(error)) error {
	n := int64(len(rows)) // the sink owns rows from then on
	t.wait(n)
	began := t.busy.Begin()
	err := s.Write(ctx, r, rows, func(err error) {
		t.settle(n, began, err)
		done(err)
	})
	t.busy.End()
	if err != nil {
		t.wait(-n)
		return err
	}
	t.mu.Lock()
	t.mu.rows += n
	t.mu.Unlock()
	return nil
}

func (t *tally) wait(n int64) {
	t.mu.Lock()
	t.mu.waiting += n
	t.mu.Unlock()
}

// drop counts rows that are not given to the member.
func (t *tally) drop(rows int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.dropped += int64(rows)
}

func (t *tally) settle(n int64, began time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.waiting -= n
	if err == nil || AsRefused(err) != nil {
		t.mu.settled += n
		t.mu.durable += float64(n) * time.Since(began).Seconds()
	}
}

func (t *tally) stats() MemberStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return MemberStats{Rows: t.mu.rows, Waiting: t.mu.waiting, Write: t.busy.Total(), Settled: t.mu.settled, Durable: t.mu.durable, Dropped: t.mu.dropped}
}
