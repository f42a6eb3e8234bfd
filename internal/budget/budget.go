// Package budget keeps the bytes held in flight under a fixed total (I4).
//
// Leases are reserved at their worst case, once, and afterwards only shrink: a lease that grows while others wait is a deadlock.
// Reservations are granted strictly in the order of places: [Budget.Enter] is called in record order, and a place waits
// until every earlier place has reserved or left. So whenever a place waits, all bytes are held by earlier records, none of which
// waits for it; they finish, and their bytes come back.
//
// A record may have several places, one behind the other. It keeps what it has until the last of them is done with, and so do the records of its partition that come later.
//
// A budget may have several lines of places, each in its own order, of which the first goes before the others. No record waits for one of another line. While a record has bytes for some of its
// places and waits for more, its line alone is served: else it would wait behind a place of another line, which may wait for its bytes.
package budget

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrTooLarge says that a reservation could never be granted.
var ErrTooLarge = errors.New("larger than the whole memory budget")

// Budget is a total of bytes. Create it with New. All methods are safe for concurrent use.
type Budget struct {
	total int64
	mu    struct {
		sync.Mutex
		held, peak int64
		lines      []line
		half       int // 1 + the line of the record that has bytes for some of its places alone; 0: there is none
		given      int // bytes were given to a line so often while one behind it waited
	}
}

// line is the places that have neither reserved nor left.
type line struct{ first, last *Place }

// alms is how often the last line that waits is served first.
const alms = 16

// Place is a turn to reserve.
type Place struct {
	b       *Budget
	line    int
	more    bool // the record has another one behind it
	next    *Place
	wake    chan struct{} // closed by the call that grants; nil until Reserve waits
	need    int64
	state   placeState
	granted *Lease
}

type placeState int

const (
	entered placeState = iota
	waiting
	settled
)

// Lease is a number of bytes held. Its zero value holds nothing.
type Lease struct {
	b *Budget
	n int64 // guarded by b.mu
}

// New makes a budget of total bytes with a number of lines.
func New(total int64, lines int) *Budget {
	b := &Budget{total: total}
	b.mu.lines = make([]line, lines)
	return b
}

// Total is the size of the budget in bytes.
func (b *Budget) Total() int64 { return b.total }

// Held is the number of bytes reserved now; Peak the most there ever were.
func (b *Budget) Held() int64 { b.mu.Lock(); defer b.mu.Unlock(); return b.mu.held }

// Peak is the largest number of bytes that were ever held at once.
func (b *Budget) Peak() int64 { b.mu.Lock(); defer b.mu.Unlock(); return b.mu.peak }

// Enter takes the next place in the order of a line's reservations; line 0 goes before line 1. more says that the line's next place is the same record's. Every place must end in Reserve or Leave.
func (b *Budget) Enter(line int, more bool) *Place {
	p := &Place{b: b, line: line, more: more}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.mu.lines[line]
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
	return p
}

// Reserve waits for the turn of this place and for n free bytes. It fails at once with ErrTooLarge if n is more than the
// whole budget, and with ctx's error if ctx ends; after an error the place has left.
func (p *Place) Reserve(ctx context.Context, n int64) (*Lease, error) {
	if n > p.b.total {
		p.Leave()
		return nil, fmt.Errorf("%d bytes: %w (%d bytes)", n, ErrTooLarge, p.b.total)
	}
	b := p.b
	b.mu.Lock()
	if p.state != entered {
		b.mu.Unlock()
		panic("budget: a place reserves once")
	}
	p.state, p.need, p.wake = waiting, max(n, 0), make(chan struct{})
	b.grantLocked()
	b.mu.Unlock()
	select {
	case <-p.wake:
		return p.granted, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	granted := p.state == settled
	if !granted {
		p.state = settled
		b.grantLocked()
	}
	b.mu.Unlock()
	if granted { // the grant won the race; give it back
		p.granted.Release()
	}
	return nil, ctx.Err()
}

// Leave gives the place up without reserving. It may follow Reserve, and then does nothing.
func (p *Place) Leave() {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.state == entered {
		p.state = settled
		p.b.grantLocked()
	}
}

// grantLocked settles places from the front of their lines, the first line's first, for as long as the one whose turn it is fits. One that does not fit lets nobody pass, or
// small ones would keep it waiting for ever.
func (b *Budget) grantLocked() {
	for {
		p, others := b.nextLocked()
		if p == nil || b.mu.held+p.need > b.total {
			return
		}
		b.mu.held += p.need
		b.mu.peak = max(b.mu.peak, b.mu.held)
		p.granted = &Lease{b: b, n: p.need}
		p.state = settled
		close(p.wake)
		if b.mu.half = 0; p.more {
			b.mu.half = p.line + 1
		}
		if b.mu.given++; !others || b.mu.given >= alms {
			b.mu.given = 0
		}
	}
}

// nextLocked is the place whose turn it is, and whether another line waits, too.
func (b *Budget) nextLocked() (next *Place, others bool) {
	b.passLocked()
	for i := range b.mu.lines {
		p := b.mu.lines[i].first
		if p == nil || p.state != waiting || b.mu.half > 0 && b.mu.half != i+1 { // it comes later, and its line with it
			continue
		}
		others = next != nil
		if next == nil || b.mu.given == alms-1 {
			next = p
		}
	}
	return next, others
}

// passLocked takes places that are done with off the lines.
func (b *Budget) passLocked() {
	for i := range b.mu.lines {
		l := &b.mu.lines[i]
		for l.first != nil && l.first.state == settled {
			p := l.first
			l.first, p.next = p.next, nil                        // a record that stays for long must not keep the places after its own
			if p.granted == nil && !p.more && b.mu.half == i+1 { // the record's last one was given up
				b.mu.half = 0
			}
		}
		if l.first == nil {
			l.last = nil
		}
	}
}

// Shrink lowers the lease to n bytes; a larger n changes nothing, since leases never grow.
func (l *Lease) Shrink(n int64) {
	if l == nil || l.b == nil {
		return
	}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if n >= l.n {
		return
	}
	l.b.mu.held -= l.n - max(n, 0)
	l.n = max(n, 0)
	l.b.grantLocked()
}

// Held is the size of the lease in bytes.
func (l *Lease) Held() int64 {
	if l == nil || l.b == nil {
		return 0
	}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	return l.n
}

// Release gives everything back. It may be called more than once.
func (l *Lease) Release() { l.Shrink(0) }
