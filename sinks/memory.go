package sinks

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"vecmill/schemas"
)

// Memory is the bytes of rows that a sink holds over all of its sources, and the line of Writes that wait to hold more. They are let in in the order in which they came, so that a large range is not passed by
// small ones for ever. L is what the sink keeps of a source between two calls of Resume. A lock of the sink's guards a Memory, and is held in every call.
type Memory[L comparable] struct {
	Limit int64            // bytes; a range of more is let in alone
	Press func(need int64) // sees to it that so many bytes come free beside what is only buffered: that is to be sent. It must not change the Memory

	held    int64
	waiting []*admission[L]
	ahead   bool // whoever came last does not wait: there has to be room before he comes
}

// admission is a Write that waits for memory.
type admission[L comparable] struct {
	of      L
	need    int64
	granted bool
	refused error         // why it never will be
	over    chan struct{} // closed when it is granted or refused
}

// Held is the bytes that are taken.
func (m *Memory[L]) Held() int64 { return m.held }

// Admit takes n bytes for a range of a source, after all who came before. It waits for them until ctx is over or the source is refused, and lets lock, which guards m, go meanwhile. After an error nothing is taken.
func (m *Memory[L]) Admit(ctx context.Context, lock sync.Locker, of L, n int64) error {
	m.ahead = ctx.Err() != nil
	if len(m.waiting) == 0 && m.fits(n) {
		m.held += n
		return nil
	}
	a := &admission[L]{of: of, need: n, over: make(chan struct{})}
	m.waiting = append(m.waiting, a)
	m.Pressed()
	lock.Unlock()
	select {
	case <-a.over:
	case <-ctx.Done():
	}
	lock.Lock()
	switch {
	case a.granted:
		return nil
	case a.refused != nil:
		return a.refused
	}
	m.waiting = slices.DeleteFunc(m.waiting, func(b *admission[L]) bool { return a == b })
	m.grant() // those behind it may be smaller
	return ctx.Err()
}

// Take is Admit for a range of which accepts says whether the source takes it next: before it waits, and again when it has, as the source may have been given up meanwhile.
func (m *Memory[L]) Take(ctx context.Context, lock sync.Locker, of L, r *schemas.Range, n int64, accepts func() error) error {
	if err := accepts(); err != nil {
		return err
	}
	if err := m.Admit(ctx, lock, of, n); err != nil {
		return fmt.Errorf("waiting for memory to buffer offsets %d to %d of %s: %w", r.First, r.Next-1, r.Source, err)
	}
	err := accepts()
	if err != nil {
		m.Free(n)
	}
	return err
}

func (m *Memory[L]) fits(n int64) bool { return m.held == 0 || m.held+n <= m.Limit }

// Free gives n bytes back.
func (m *Memory[L]) Free(n int64) {
	m.held -= n
	m.grant()
}

// grant lets in from the front for as long as the first one fits, and sees to it that the next one will.
func (m *Memory[L]) grant() {
	for len(m.waiting) > 0 && m.fits(m.waiting[0].need) {
		a := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.held += a.need
		a.granted = true
		close(a.over)
	}
	m.Pressed()
}

// Pressed calls Press for the first who waits, or for a quarter of the limit if nobody does who comes. A sink calls it when what was taken is buffered, since only that can be sent.
func (m *Memory[L]) Pressed() {
	switch {
	case len(m.waiting) > 0:
		m.Press(m.waiting[0].need)
	case m.ahead:
		m.Press(m.Limit / 4)
	}
}

// Refuse ends the waits for a source, which has ended: others may hold the memory for as long as their stores take.
func (m *Memory[L]) Refuse(of L, why error) {
	m.refuse(why, func(l L) bool { return l == of })
}

// RefuseAll ends all waits.
func (m *Memory[L]) RefuseAll(why error) {
	m.refuse(why, func(L) bool { return true })
}

func (m *Memory[L]) refuse(why error, whose func(L) bool) {
	m.waiting = slices.DeleteFunc(m.waiting, func(a *admission[L]) bool {
		if !whose(a.of) {
			return false
		}
		a.refused = why
		close(a.over)
		return true
	})
	m.grant()
}
