package simulate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// trace is what happened at the seams, in virtual time.
type trace struct {
	start time.Time
	mu    struct {
		sync.Mutex
		events []event
		at     time.Duration // the virtual instant of the last event
		before time.Duration // the real time of the last event of an instant before it
		last   time.Duration // the real time of the last event
		held   time.Duration // the longest real time that an instant's events took, from the event before them
	}
}

func newTrace(start time.Time) *trace {
	t := &trace{start: start}
	t.mu.before, t.mu.last = realTime(), realTime()
	return t
}

// slice is half of the real time after which Go may take the processor from a goroutine, or from a chain of them that wake each other: an instant and what follows it up
// to the next event are two stretches.
const slice = 5 * time.Millisecond

// disturbed says whether real time may have had a say: an instant of virtual time took so long that Go may have run its goroutines in another order. It says no only if
// that cannot be.
func (t *trace) disturbed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.held >= slice || t.mu.last < 0
}

type event struct {
	at   time.Duration
	text string
}

func (t *trace) add(who, format string, args ...any) {
	e := event{time.Since(t.start), who + ": " + fmt.Sprintf(format, args...)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.events = append(t.mu.events, e)
	if e.at != t.mu.at {
		t.mu.at, t.mu.before = e.at, t.mu.last
	}
	t.mu.last = realTime()
	t.mu.held = max(t.mu.held, t.mu.last-t.mu.before)
}

// sorted gives the events by time; those of one instant, which have no order, by their text.
func (t *trace) sorted() []event {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortStableFunc(t.mu.events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text)) })
	return t.mu.events
}

// hash is the trace in 16 hex digits: equal for equal runs.
func (t *trace) hash() string {
	h := sha256.New()
	for _, e := range t.sorted() {
		fmt.Fprintf(h, "%d %s\n", e.at, e.text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (t *trace) print(w io.Writer) {
	for _, e := range t.sorted() {
		fmt.Fprintf(w, "%12.6f %s\n", e.at.Seconds(), e.text)
	}
}
