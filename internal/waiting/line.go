// Package waiting is who waits for what comes one by one: a slot, a turn to decode. By precedence, and among equals by time.
package waiting

import "container/list"

// alms is how often a turn goes to somebody who has not the highest precedence among those that wait.
const alms = 16

// Line is those that wait. Turns go to the lowest rank, and among equals to the one that came first. Every 16th turn for which several ranks wait goes to the
// one of the other ranks that has waited longest, so that nobody starves. No call looks at all that wait, which may be each of ten thousand partitions. It is a pure state machine without a lock; the
// zero value is an empty line.
type Line struct {
	ranks []*list.List // of *Place, each in the order of their coming
	came  int64        // places so far
	given int          // turns given while several ranks waited
}

// Place is one that waits.
type Place struct {
	rank    int
	number  int64         // in the order of their coming, over all ranks
	at      *list.Element // in its rank; nil once it has its turn
	granted chan struct{} // closed then
}

// Granted is closed once the place has its turn, and is no longer in the line.
func (p *Place) Granted() <-chan struct{} { return p.granted }

// Enter takes the place behind all of a rank, from 0 on.
func (l *Line) Enter(rank int) *Place {
	for len(l.ranks) <= rank {
		l.ranks = append(l.ranks, list.New())
	}
	l.came++
	p := &Place{rank: rank, number: l.came, granted: make(chan struct{})}
	p.at = l.ranks[rank].PushBack(p)
	return p
}

// Leave takes a place out of the line; false says that it has got its turn, which is the caller's to give back.
func (l *Line) Leave(p *Place) bool {
	if p.at == nil {
		return false
	}
	l.remove(p)
	return true
}

func (l *Line) remove(p *Place) {
	l.ranks[p.rank].Remove(p.at)
	p.at = nil
}

// First is the lowest rank that waits; false if nobody does.
func (l *Line) First() (rank int, waits bool) {
	first, _ := l.front()
	if first == nil {
		return 0, false
	}
	return first.rank, true
}

// Grant gives somebody a turn, and says of which rank. The line must not be empty.
func (l *Line) Grant() (rank int) {
	next, other := l.front()
	if other != nil {
		if l.given++; l.given%alms == 0 {
			next = other
		}
	}
	l.remove(next)
	close(next.granted)
	return next.rank
}

// front is the place of the lowest rank that came first, and of those of other ranks the one that did; nil if there is none.
func (l *Line) front() (first, other *Place) {
	for _, rank := range l.ranks {
		front := rank.Front()
		if front == nil {
			continue
		}
		p, _ := front.Value.(*Place) // it holds nothing else
		switch {
		case first == nil:
			first = p
		case other == nil || p.number < other.number:
			other = p
		}
	}
	return first, other
}
