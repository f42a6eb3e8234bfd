// Package waiting is who waits for what comes one by one: a slot, a turn to decode. By precedence, and among equals by time.
package waiting

import "slices"

// alms is how often a turn goes to somebody who has not the highest precedence among those that wait.
const alms = 16

// Line is those that wait. Turns go to the lowest rank, and among equals to the one that came first. Every 16th turn for which several ranks wait goes to the
// one of the other ranks that has waited longest, so that nobody starves. It is a pure state machine without a lock; the zero value is an empty line.
type Line struct {
	places []*Place // in the order of their coming
	given  int      // turns given while several ranks waited
}

// Place is one that waits.
type Place struct {
	rank    int
	granted chan struct{} // closed once it has its turn
}

// Granted is closed once the place has its turn, and is no longer in the line.
func (p *Place) Granted() <-chan struct{} { return p.granted }

// Enter takes the place behind all of a rank, from 0 on.
func (l *Line) Enter(rank int) *Place {
	p := &Place{rank, make(chan struct{})}
	l.places = append(l.places, p)
	return p
}

// Leave takes a place out of the line; false says that it has got its turn, which is the caller's to give back.
func (l *Line) Leave(p *Place) bool {
	i := slices.Index(l.places, p)
	if i >= 0 {
		l.places = slices.Delete(l.places, i, i+1)
	}
	return i >= 0
}

// First is the lowest rank that waits; false if nobody does.
func (l *Line) First() (rank int, waits bool) {
	if len(l.places) == 0 {
		return 0, false
	}
	return l.places[l.first()].rank, true
}

// Grant gives somebody a turn, and says of which rank. The line must not be empty.
func (l *Line) Grant() (rank int) {
	next := l.first()
	other := slices.IndexFunc(l.places, func(p *Place) bool { return p.rank != l.places[next].rank })
	if other >= 0 {
		if l.given++; l.given%alms == 0 {
			next = other
		}
	}
	p := l.places[next]
	l.places = slices.Delete(l.places, next, next+1)
	close(p.granted)
	return p.rank
}

// first is the place of the lowest rank that came first.
func (l *Line) first() (first int) {
	for i, p := range l.places {
		if p.rank < l.places[first].rank {
			first = i
		}
	}
	return first
}
