package sinks

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"vecmill/schemas"
)

// Member is one sink of a Tee.
type Member struct {
	Name       string // for errors and the observer
	Sink       Sink
	BestEffort bool // its failures are observed and hold nothing up; a required member's failure is the Tee's
}

// Tee writes every range to its members, one or several sinks, and counts for each what it was handed and how long it took. A range is durable when every required member has it.
// Members share the rows and must not change them.
// Create it with NewTee.
type Tee struct {
	members []Member
	tallies []tally // of members
	observe func(member string, err error)
	mu      struct {
		sync.Mutex
		lanes map[laneKey]*teeLane
	}
}

type laneKey struct {
	member int
	src    schemas.SourceID
}

// teeLane is what a Tee knows of a best-effort member's progress in one source since the last Resume.
type teeLane struct {
	next   int64 // first offset that the member does not have; -1 if it knows nothing of the source
	failed bool  // it is left out until the next Resume
}

// NewTee makes a Tee of at least one required member. observe, which may be nil, is told each time a best-effort member fails at a source; it
// must be safe for concurrent use.
func NewTee(observe func(member string, err error), members ...Member) (*Tee, error) {
	required := false
	names := map[string]bool{}
	for _, m := range members {
		switch {
		case m.Sink == nil || m.Name == "":
			return nil, fmt.Errorf("tee: member %q needs a name and a sink", m.Name)
		case names[m.Name]:
			return nil, fmt.Errorf("tee: two members are named %q", m.Name)
		}
		names[m.Name] = true
		required = required || !m.BestEffort
	}
	if !required {
		return nil, errors.New("tee: at least one member must be required, or nothing would ever be durable")
	}
	if observe == nil {
		observe = func(string, error) {}
	}
	t := &Tee{members: members, tallies: make([]tally, len(members)), observe: observe}
	t.mu.lanes = map[laneKey]*teeLane{}
	return t, nil
}

// Resume resumes every member, brings required members that are behind up to the one that is ahead (see Recaller), and gives the first offset that
// some required member lacks. known is false unless every required member knows the source. Members that are ahead drop what is repeated.
func (t *Tee) Resume(ctx context.Context, src schemas.SourceID, from int64) (next int64, known bool, err error) {
	var required []standing
	for i := range t.members {
		m := &t.members[i]
		n, k, err := m.Sink.Resume(ctx, src, from)
		if m.BestEffort {
			t.begin(laneKey{i, src}, n, k, err)
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("sink %s: %w", m.Name, err)
		}
		required = append(required, standing{m, n, k})
	}
	if err := catchUp(ctx, src, from, required); err != nil {
		return 0, false, err
	}
	next = required[0].next
	for _, s := range required {
		if !s.known {
			return 0, false, nil
		}
		next = min(next, s.next)
	}
	return next, true, nil
}

// begin records where a best-effort member stands.
func (t *Tee) begin(k laneKey, next int64, known bool, err error) {
	if !known {
		next = -1
	}
	t.mu.Lock()
	t.mu.lanes[k] = &teeLane{next: next, failed: err != nil}
	t.mu.Unlock()
	if err != nil {
		t.observe(t.members[k.member].Name, fmt.Errorf("resuming %s: %w", k.src, err))
	}
}

// Write writes to every member, one after the other, so the slowest one's backpressure is the Tee's. done is called when the last required member has
// reported, with the first error of theirs.
func (t *Tee) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	c := &count{done: done, left: 1} // one for this call, so that done waits until every member has the range
	for i, m := range t.members {
		if m.BestEffort {
			t.offer(ctx, laneKey{i, r.Source}, r, rows)
			continue
		}
		c.add()
		if err := t.tallies[i].write(ctx, m.Sink, r, rows, c.report); err != nil {
			c.abandon() // members before this one have the range and may still report
			return fmt.Errorf("sink %s: %w", m.Name, err)
		}
	}
	c.report(nil)
	return nil
}

// offer writes to a best-effort member. What it missed while it was behind is handed to it as skipped, so that its own record stays gapless.
func (t *Tee) offer(ctx context.Context, k laneKey, r schemas.Range, rows []schemas.Row) {
	t.mu.Lock()
	l := t.mu.lanes[k]
	if l == nil || l.failed {
		t.mu.Unlock()
		return
	}
	if missed := (schemas.Span{First: l.next, Next: r.First}); l.next >= 0 && missed.Len() > 0 {
		r.First = missed.First
		r.Skipped = append([]schemas.Span{missed}, r.Skipped...)
	}
	l.next = max(l.next, r.Next)
	t.mu.Unlock()
	fail := func(err error) {
		if no := AsRefused(err); no != nil { // it has the rest of the range, and goes on
			t.observe(t.members[k.member].Name, fmt.Errorf("writing %s: %w", k.src, no))
			return
		}
		if err != nil {
			t.fail(k, l, err)
		}
	}
	if err := t.tallies[k.member].write(ctx, t.members[k.member].Sink, r, rows, fail); err != nil {
		fail(err)
	}
}

// fail leaves a best-effort member out of a source, and says so once.
func (t *Tee) fail(k laneKey, l *teeLane, err error) {
	t.mu.Lock()
	again := l.failed
	l.failed = true
	t.mu.Unlock()
	if !again && !errors.Is(err, ErrForgotten) {
		t.observe(t.members[k.member].Name, fmt.Errorf("writing %s: %w", k.src, err))
	}
}

// Check implements Checker: what a required member will never take is refused.
func (t *Tee) Check(row *schemas.Row) error {
	for _, m := range t.members {
		if c, ok := m.Sink.(Checker); ok && !m.BestEffort {
			if err := c.Check(row); err != nil {
				return fmt.Errorf("sink %s: %w", m.Name, err)
			}
		}
	}
	return nil
}

// Flush flushes all members at once.
func (t *Tee) Flush(ctx context.Context) error {
	return t.each(func(s Sink) error { return s.Flush(ctx) })
}

// Forget forgets src in every member.
func (t *Tee) Forget(src schemas.SourceID) {
	for _, m := range t.members {
		m.Sink.Forget(src)
	}
}

// Close closes all members at once.
func (t *Tee) Close(ctx context.Context) error {
	return t.each(func(s Sink) error { return s.Close(ctx) })
}

// each runs f for all members at once and joins the required members' errors.
func (t *Tee) each(f func(Sink) error) error {
	errs := make([]error, len(t.members))
	var wg sync.WaitGroup
	for i, m := range t.members {
		wg.Go(func() {
			if err := f(m.Sink); err != nil && !m.BestEffort {
				errs[i] = fmt.Errorf("sink %s: %w", m.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// count calls done when everything that was added has reported.
type count struct {
	mu   sync.Mutex
	done func(error) // nil once abandoned
	left int
	err  error // the first
}

func (c *count) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
}

func (c *count) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = nil
}

func (c *count) report(err error) {
	c.mu.Lock()
	c.err = worse(c.err, err)
	c.left--
	done, err := c.done, c.err
	if c.left > 0 {
		done = nil
	}
	c.mu.Unlock()
	if done != nil {
		done(err)
	}
}
