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
	}
}

func newTrace(start time.Time) *trace { return &trace{start: start} }

type event struct {
	at   time.Duration
	text string
}

func (t *trace) add(who, format string, args ...any) {
	e := event{time.Since(t.start), who + ": " + fmt.Sprintf(format, args...)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.events = append(t.mu.events, e)
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
