package sinks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"vecmill/schemas"
)

// Member is one sink of a Tee.
type Member struct {
	Name       string // for errors and the observer
	Sink       Sink
	BestEffort bool // it holds nothing up: its failures are observed, and what it has no room for is not given to it; a required member's failure is the Tee's

	// Ends says of a required sink that does not know where it ends what was committed with all of its rows and letters durable, as Resume does; nil: nobody keeps it.
	Ends func(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error)
	// Keep says where it ends to who keeps that, while it is brought up from another one; nil: nobody does.
	Keep func(ctx context.Context, src schemas.SourceID, next int64) error
	// Ahead is told what such a sink is not given though others are, since it is kept to have that; nil: nobody.
	Ahead func(src schemas.SourceID, what schemas.Span)
}

// resume asks the sink, and then who keeps where it ends.
func (m *Member) resume(ctx context.Context, src schemas.SourceID, from int64) (next int64, known bool, err error) {
	if next, known, err = m.Sink.Resume(ctx, src, from); err != nil || known || m.Ends == nil {
		return next, known, err
	}
	return m.Ends(ctx, src)
}

// Tee writes every range to its members, one or several sinks, and counts for each what it was handed and how long it took. A range is durable when every required member has it.
// Members share the rows and must not change them.
// Create it with NewTee.
type Tee struct {
	// Copying is told when a member begins to be brought up from another one, every ten seconds, and when it is. It must be safe for concurrent use; nil: nobody. It may be changed before the first Resume.
	Copying func(Copy)

	members []Member
	tallies []tally // of members
	observe func(member string, err error)
	mu      struct {
		sync.Mutex
		lanes     map[laneKey]*teeLane
		ends      map[laneKey]int64 // where required members end, of which that is known
		away      []absence         // of members
		shortages []shortage        // of members
		troubled  []bool            // of members: a best-effort one's trouble was observed, and not that it is over
	}
}

type laneKey struct {
	member int
	src    schemas.SourceID
}

// teeLane is what a Tee knows of a best-effort member's progress in one source since the last Resume.
type teeLane struct {
	next    int64              // where the next range that it is given begins, if the range does not begin before; -1 if it knows nothing of the source and was offered nothing
	deletes []schemas.Deletion // of the ranges that it had no room for since the last one that it took: unlike rows, they are not left out
	failed  bool               // it is left out until the next Resume
}

// absence is how often one after the other a best-effort member took too long to resume a source, and when last.
type absence struct {
	times int
	last  time.Time
}

// shortage is what a best-effort member has had no room for.
type shortage struct {
	rows int       // since it was told
	last time.Time // when it had none last
	told time.Time // zero: not, or it is over
}

// ErrFull is in what is observed of a best-effort member that had no room for rows.
var ErrFull = errors.New("the output is full")

// What a best-effort member is waited for, and how often it is told of that it is full.
const (
	patience   = 10 * time.Second // when a source is resumed, and when all are flushed: a store that is well may have thousands of files to look at
	impatience = time.Second      // when a source is resumed right after two others have waited in vain
	tellEvery  = time.Minute      // also how long it must have had room for all, to be well again
)

// deletesKept is how many bytes of deletions wait for a best-effort member that is full, for each source.
const deletesKept = 2 << 20

// NewTee makes a Tee of at least one required member. observe, which may be nil, is told each time a best-effort member fails at a source or refuses rows (RefusedError), once a minute of one
// that is full (ErrFull), and with a nil error when one that had failed or was full is well again, in all of its sources; it must be safe for concurrent use.
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
	t.mu.lanes, t.mu.ends = map[laneKey]*teeLane{}, map[laneKey]int64{}
	t.mu.away, t.mu.shortages, t.mu.troubled = make([]absence, len(members)), make([]shortage, len(members)), make([]bool, len(members))
	return t, nil
}

// Resume resumes every member, brings required members that are behind up to the one that is ahead (see Recaller), and gives the first offset that
// some required member lacks. known is false unless every required member knows the source; next is then where the first of those that do ends, which takes nothing behind that. Members that are ahead are not given what is repeated. Best-effort ones that do not answer soon are left out.
func (t *Tee) Resume(ctx context.Context, src schemas.SourceID, from int64) (next int64, known bool, err error) {
	var required []standing
	for i := range t.members {
		m := &t.members[i]
		if m.BestEffort {
			t.invite(ctx, laneKey{i, src}, from)
			continue
		}
		n, k, err := m.resume(ctx, src, from)
		if err != nil {
			return 0, false, fmt.Errorf("sink %s: %w", m.Name, err)
		}
		required = append(required, standing{number: i, member: m, next: n, known: k})
	}
	if err := t.catchUp(ctx, src, from, required); err != nil {
		return 0, false, err
	}
	t.stand(src, required)
	least, known := int64(math.MaxInt64), true
	for _, s := range required {
		if known = known && s.known; s.known {
			least = min(least, s.next)
		}
	}
	if least == math.MaxInt64 {
		return 0, false, nil
	}
	begin := least
	if !known {
		begin = min(from, least)
	}
	for _, s := range required {
		if s.member.Ahead != nil && s.known && s.next > begin {
			s.member.Ahead(src, schemas.Span{First: begin, Next: s.next})
		}
	}
	return least, known, nil
}

// stand records where required members end.
func (t *Tee) stand(src schemas.SourceID, all []standing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range all {
		if s.known {
			t.mu.ends[laneKey{s.number, src}] = s.next
		} else {
			delete(t.mu.ends, laneKey{s.number, src})
		}
	}
}

// invite resumes a best-effort member, if it answers soon. Of one that has not twice in a row, the further sources of an assignment do not wait so long.
func (t *Tee) invite(ctx context.Context, k laneKey, from int64) {
	t.mu.Lock()
	limit := patience
	if a := t.mu.away[k.member]; a.times >= 2 && time.Since(a.last) < tellEvery {
		limit = impatience
	}
	t.mu.Unlock()
	soon, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	next, known, err := t.members[k.member].Sink.Resume(soon, k.src, from)
	t.mu.Lock()
	if err == nil {
		t.mu.away[k.member] = absence{}
	} else if soon.Err() != nil && ctx.Err() == nil {
		t.mu.away[k.member] = absence{t.mu.away[k.member].times + 1, time.Now()}
	}
	t.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return // the assignment is given up, and the member is not to blame
	}
	t.begin(k, next, known, err)
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
		t.trouble(k.member, fmt.Errorf("resuming %s: %w", k.src, err))
		return
	}
	t.well(k.member)
}

// Write writes to every member, one after the other, so the backpressure of the slowest required one is the Tee's. done is called when the last required member has
// reported, with the first error of theirs. One that has a range already is not given it.
func (t *Tee) Write(ctx context.Context, r schemas.Range, rows []schemas.Row, done func(error)) error {
	c := &count{done: done, left: 1} // one for this call, so that done waits until every member has the range
	for i, m := range t.members {
		if m.BestEffort {
			t.offer(ctx, laneKey{i, r.Source}, r, rows)
			continue
		}
		r, rows, lacks := t.lacking(laneKey{i, r.Source}, r, rows)
		if !lacks {
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

// lacking is what a required member does not have of a range, if there is anything: what lies before its end it would take again, unless it knows that end itself.
func (t *Tee) lacking(k laneKey, r schemas.Range, rows []schemas.Row) (schemas.Range, []schemas.Row, bool) {
	t.mu.Lock()
	end := t.mu.ends[k]
	t.mu.Unlock()
	if r.First >= end {
		return r, rows, true
	}
	r = r.Cut(end, r.Next)
	return r, rowsIn(rows, r.Span), r.Len() > 0 // rows are the other members', too
}

// offer writes to a best-effort member what it has room for. What it missed, being behind or full, is handed to it as skipped, so that its own record stays gapless. The deletions of what it had no room for come with that.
func (t *Tee) offer(ctx context.Context, k laneKey, r schemas.Range, rows []schemas.Row) {
	t.mu.Lock()
	l := t.mu.lanes[k]
	if l == nil || l.failed {
		t.mu.Unlock()
		t.tallies[k.member].drop(len(rows))
		return
	}
	if missed := (schemas.Span{First: l.next, Next: r.First}); l.next >= 0 && missed.Len() > 0 {
		r.First = missed.First
		r.Skipped = append([]schemas.Span{missed}, r.Skipped...)
	}
	l.deletes = append(l.deletes, r.Deletes...) // a copy, since members share a range
	r.Deletes = l.deletes
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
	atOnce, cancel := context.WithCancel(ctx)
	cancel() // see Sink.Write
	err := t.tallies[k.member].write(atOnce, t.members[k.member].Sink, r, rows, fail)
	switch {
	case err == nil:
		t.mu.Lock()
		l.next, l.deletes = r.Next, nil // also of one that is ahead: a sink drops what it has, and wants ranges without gaps
		t.mu.Unlock()
		t.well(k.member)
	case errors.Is(err, context.Canceled):
		t.tallies[k.member].drop(len(rows))
		if ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		l.next = r.First // the next one covers this one
		t.mu.Unlock()
		t.full(k.member, len(rows))
		if schemas.DeletionBytes(r.Deletes) > deletesKept {
			fail(fmt.Errorf("%w: %d deletions have waited for room in it, which is too many, and are left out of it", ErrFull, len(r.Deletes)))
		}
	default:
		t.tallies[k.member].drop(len(rows))
		fail(err)
	}
}

// full notes rows that a best-effort member had no room for, and says so now and then.
func (t *Tee) full(member, rows int) {
	now := time.Now()
	t.mu.Lock()
	s := &t.mu.shortages[member]
	s.rows, s.last = s.rows+rows, now
	rows = s.rows
	tell := s.told.IsZero() || now.Sub(s.told) >= tellEvery
	if tell {
		s.rows, s.told = 0, now
	}
	t.mu.Unlock()
	if tell {
		t.trouble(member, fmt.Errorf("%w: %d rows are left out of it", ErrFull, rows))
	}
}

// trouble says what is wrong with a best-effort member, until it is well.
func (t *Tee) trouble(member int, err error) {
	t.mu.Lock()
	t.mu.troubled[member] = true
	t.mu.Unlock()
	t.observe(t.members[member].Name, err)
}

// well notes that a best-effort member did what it was to do, and says that its trouble is over when it is some time that it had no room and no source of it is left out.
func (t *Tee) well(member int) {
	t.mu.Lock()
	s := &t.mu.shortages[member]
	if !s.told.IsZero() && time.Since(s.last) >= tellEvery {
		*s = shortage{}
	}
	over := t.mu.troubled[member] && s.told.IsZero()
	if over {
		for k, l := range t.mu.lanes {
			over = over && (k.member != member || !l.failed)
		}
		t.mu.troubled[member] = !over
	}
	t.mu.Unlock()
	if over {
		t.observe(t.members[member].Name, nil)
	}
}

// fail leaves a best-effort member out of a source, and says so once.
func (t *Tee) fail(k laneKey, l *teeLane, err error) {
	t.mu.Lock()
	again := l.failed
	l.failed, l.deletes = true, nil
	t.mu.Unlock()
	if !again && !errors.Is(err, ErrForgotten) {
		t.trouble(k.member, fmt.Errorf("writing %s: %w", k.src, err))
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

// Flush flushes all members at once, and waits for best-effort ones a short time only.
func (t *Tee) Flush(ctx context.Context) error {
	return t.each(func(i int, m *Member) error {
		if !m.BestEffort {
			return m.Sink.Flush(ctx)
		}
		soon, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := m.Sink.Flush(soon)
		if err != nil && soon.Err() != nil && ctx.Err() == nil { // another error is observed where it was made
			t.trouble(i, fmt.Errorf("flushing: what it has not written yet may be left out of it: %w", err))
		}
		return nil
	})
}

// Forget forgets src in every member.
func (t *Tee) Forget(src schemas.SourceID) {
	t.mu.Lock()
	for i := range t.members {
		delete(t.mu.lanes, laneKey{i, src}) // its failure is nobody's trouble any more
		delete(t.mu.ends, laneKey{i, src})
	}
	t.mu.Unlock()
	for _, m := range t.members {
		m.Sink.Forget(src)
	}
}

// Close closes all members at once.
func (t *Tee) Close(ctx context.Context) error {
	return t.each(func(_ int, m *Member) error { return m.Sink.Close(ctx) })
}

// each runs f for all members at once and joins the required members' errors.
func (t *Tee) each(f func(i int, m *Member) error) error {
	errs := make([]error, len(t.members))
	var wg sync.WaitGroup
	for i := range t.members {
		m := &t.members[i]
		wg.Go(func() {
			if err := f(i, m); err != nil && !m.BestEffort {
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
