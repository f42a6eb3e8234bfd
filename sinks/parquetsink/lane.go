package parquetsink

import (
	"container/list"
	"context"
	"time"

	"vecmill/schemas"
)

// lane is one source between two calls of Resume. Its fields are guarded by Sink.mu, except where said.
type lane struct {
	src     schemas.SourceID
	at      place              // the chain's durable end
	end     int64              // where the last range taken ended, -1 before the first
	err     error              // why nothing more is taken
	open    *roll              // the file being filled, nil if it has no range yet
	place   *list.Element      // in Sink.mu.filling, while there is one
	queue   []*roll            // closed files, in order; the first may be under way
	turn    chan struct{}      // of the first in queue: its place in the line of uploads; nil while it has none
	running chan struct{}      // closed when the draining goroutine has ended; nil when there is none
	cancel  context.CancelFunc // ends the draining goroutine's calls of the store; nil when there never was one
}

// entry is one range handed to Write.
type entry struct {
	r     schemas.Range
	rows  []schemas.Row
	bytes int64
	done  func(error)
}

// roll is one file to be: ranges that are closed together.
type roll struct {
	entries   []entry // what is not settled yet
	bytes     int64   // of entries
	rows      int
	reason    Reason
	timer     *time.Timer // closes it when it is due
	due       time.Time
	uploading bool          // it is in the hands of drain, which settles it
	settled   chan struct{} // closed after the last done
	err       error         // written before settled is closed
}

func newLane(src schemas.SourceID, at place) *lane { return &lane{src: src, at: at, end: -1} }

func (f *roll) add(e entry) {
	f.entries = append(f.entries, e)
	f.bytes += e.bytes
	f.rows += len(e.rows)
}

// take removes the first n entries and gives their dones and bytes.
func (f *roll) take(n int) (dones []func(error), bytes int64) {
	for _, e := range f.entries[:n] {
		dones = append(dones, e.done)
		bytes += e.bytes
	}
	f.entries = f.entries[n:]
	f.bytes -= bytes
	return dones, bytes
}

// closeLocked ends the open file of l and has it uploaded.
func (s *Sink) closeLocked(l *lane, why Reason) {
	if l.open == nil {
		return
	}
	l.open.reason = why
	s.shutLocked(l)
	if l.running == nil {
		ctx, cancel := context.WithCancel(context.Background())
		l.running, l.cancel, l.turn = make(chan struct{}), cancel, s.enrolLocked()
		s.wg.Go(func() {
			defer cancel()
			s.drain(ctx, l)
		})
	}
}

// shutLocked puts the open file of l behind those that are closed.
func (s *Sink) shutLocked(l *lane) {
	f := l.open
	f.timer.Stop()
	l.queue, l.open = append(l.queue, f), nil
	s.mu.filling.Remove(l.place)
	s.mu.open -= f.bytes
}

// failLocked ends the lane with err and takes all that is outstanding from it; the caller gives it to settle after unlocking.
func (s *Sink) failLocked(l *lane, err error) (dones []func(error), rolls []*roll) {
	if l.err == nil {
		l.err = err
	}
	if l.open != nil {
		s.shutLocked(l)
	}
	freed := int64(0)
	for _, f := range l.queue {
		d, bytes := f.take(len(f.entries))
		dones = append(dones, d...)
		freed += bytes
	}
	rolls, l.queue = l.queue, nil
	s.mu.memory.Refuse(l, l.err)
	s.mu.memory.Free(freed)
	return dones, rolls
}

// settle reports the end of ranges and of their files. It is called without the lock.
func settle(dones []func(error), rolls []*roll, err error) {
	for _, done := range dones {
		done(err)
	}
	for _, f := range rolls {
		f.err = err
		close(f.settled)
	}
}
