package stream

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"vecmill/internal/ackseq"
	"vecmill/schemas"
)

// Outcome is how a record ended. Every tracked record gets exactly one (I5).
type Outcome int

// The outcomes.
const (
	Computed Outcome = iota + 1 // it has rows
	Dead                        // its dead letter is durable
	Skipped                     // filtered out, a tombstone, or never a record
	Lost                        // the log's retention removed it before it was read
)

// Tracker accounts for one assignment: it knows every record between being read and being committed. Records are settled in any
// order; [Tracker.Release] hands out contiguous ranges in order; ranges become durable in any order; commit points move
// contiguously (I2). After Fence nothing moves any more (I3). All methods are safe for concurrent use.
type Tracker struct {
	pipeline string
	mu       struct {
		sync.Mutex
		lanes   map[Partition]*lane
		moved   []*lane // whose commit points have moved since they were last handed out: a commit costs what these do, however many lanes there are
		fenced  bool
		open    int           // tickets tracked and not yet written
		soft    int           // records tracked and not yet durable
		late    int64         // settlements and durable ranges that came after the fence
		drained chan struct{} // closed when open reaches 0; nil until asked for
	}
}

// lane is one partition of an assignment.
type lane struct {
	part      Partition
	next      int64     // first offset not tracked
	line      []*Ticket // tracked and not released, in order
	ready     chan struct{}
	ranges    ackseq.Seq[int64] // released ranges; the value is where each ends
	durable   int64             // first offset not durable: the commit point
	committed int64             // last point handed to the committer
	moved     bool              // it is one of Tracker.mu.moved
	end       int64             // the log ends before this, as far as is known
	since     time.Time         // of the last progress of durable, or of the first record after it: meaningful while durable < next
}

// Ticket is one tracked record, or a stretch of offsets that hold none.
type Ticket struct {
	t    *Tracker
	lane *lane
	span schemas.Span

	outcome Outcome   // 0 until settled; guarded by t.mu
	settled time.Time // of a record
	rows    []schemas.Row
	deletes []string // ids of references whose objects are gone
	traces  []trace.SpanContext
	free    func() // called once, when the record's rows are the sink's or its assignment is over
}

// Release is a contiguous run of settled records, ready for the sink.
type Release struct {
	Range   schemas.Range
	Rows    []schemas.Row
	traces  []trace.SpanContext // of its records, those that are kept
	records int                 // in it: the other offsets hold none
	held    int64               // microseconds that these waited for others, in all
	began   time.Time           // being written
	tickets []*Ticket
	lane    *lane
	seq     int64
}

// NewTracker begins the account of an assignment: where each of its partitions is read from, and what the group has committed. Where
// the start is not what is committed, it is a commit point at once: output may be ahead of the last commit, and a start at
// the end of a log must not move when the worker restarts.
func NewTracker(pipeline string, start, committed map[Partition]int64) *Tracker {
	t := &Tracker{pipeline: pipeline}
	t.mu.lanes = make(map[Partition]*lane, len(start))
	for p, next := range start {
		t.mu.lanes[p] = &lane{part: p, next: next, durable: next, committed: committed[p], ready: make(chan struct{}, 1)}
		t.movedLocked(t.mu.lanes[p])
	}
	return t
}

// Track adds a record. Offsets between the last one and this are not in the log and count as skipped. free is called
// exactly once, when the ticket no longer holds anything.
func (t *Tracker) Track(p Position, free func()) (*Ticket, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.mu.lanes[p.Partition]
	if !ok {
		return nil, fmt.Errorf("tracking %s: not assigned", p.Partition)
	}
	if p.Offset < l.next {
		return nil, fmt.Errorf("tracking %s: offset %d again, expected %d", p.Partition, p.Offset, l.next)
	}
	t.passLocked(l, p.Offset, Skipped)
	k := &Ticket{t: t, lane: l, span: schemas.Span{First: p.Offset, Next: p.Offset + 1}, free: free}
	l.line = append(l.line, k)
	l.advance(p.Offset + 1)
	t.mu.open++
	t.mu.soft++
	return k, nil
}

// Pass says that there is nothing to read before next: everything up to it that was not tracked ends with the given outcome. It gives the
// number of these offsets.
func (t *Tracker) Pass(p Partition, next int64, o Outcome) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.mu.lanes[p]
	if !ok || next <= l.next {
		return 0
	}
	n := next - l.next
	t.passLocked(l, next, o)
	return n
}

// advance moves the first offset that is not tracked.
func (l *lane) advance(next int64) {
	if l.next == l.durable {
		l.since = time.Now()
	}
	l.next = next
}

func (t *Tracker) passLocked(l *lane, next int64, o Outcome) {
	if next <= l.next {
		return
	}
	k := &Ticket{t: t, lane: l, span: schemas.Span{First: l.next, Next: next}, outcome: o, free: func() {}}
	l.line = append(l.line, k)
	l.advance(next)
	t.mu.open++
	if l.line[0] == k {
		wake(l.ready)
	}
}

// Settle ends the record. After the fence it is only counted. Settling twice is a broken invariant of ours and panics (I5).
func (k *Ticket) Settle(o Outcome, rows []schemas.Row) {
	t := k.t
	t.mu.Lock()
	if k.outcome != 0 {
		t.mu.Unlock()
		panic(fmt.Sprintf("stream: offset %d of %s was settled twice (I5)", k.span.First, k.lane.part))
	}
	k.outcome, k.rows, k.settled = o, rows, time.Now()
	if t.mu.fenced {
		t.mu.late++
		t.mu.Unlock()
		k.free()
		return
	}
	if k.lane.line[0] == k {
		wake(k.lane.ready)
	}
	t.mu.Unlock()
}

// SettleDeletion ends a record without rows: the offset is skipped, and the range that covers it says what is gone. "" is nothing.
func (k *Ticket) SettleDeletion(refIDs ...string) {
	k.deletes = refIDs // read by Release under t.mu, once Settle has taken it
	k.Settle(Skipped, nil)
}

// SettleRows ends a record that has rows, and may say besides what is gone of what came before it.
func (k *Ticket) SettleRows(rows []schemas.Row, deletes ...string) {
	k.deletes = deletes
	k.Settle(Computed, rows)
}

// SettleDead ends a record whose dead letter is durable. What it brings of deletions stands: they were understood.
func (k *Ticket) SettleDead(deletes ...string) {
	k.deletes = deletes
	k.Settle(Dead, nil)
}

// Drop ends a record of an assignment that is over without an outcome; before the fence it is a broken invariant and panics.
func (k *Ticket) Drop() {
	k.t.mu.Lock()
	fenced := k.t.mu.fenced
	k.t.mu.Unlock()
	if !fenced {
		panic(fmt.Sprintf("stream: offset %d of %s was dropped before the fence (I5)", k.span.First, k.lane.part))
	}
	k.Settle(Skipped, nil)
}

// Ready is signalled when the first record of p in line has been settled.
func (t *Tracker) Ready(p Partition) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.lanes[p].ready
}

// mostReleased bounds the records of one release: sinks never split a range, and their files should not overshoot their size by much.
const mostReleased = 128

// Release takes the settled records at the front of p's line, if there are any. Each Release must be handed to the sink in order and then
// reported with Written, and with Durable once it is.
func (t *Tracker) Release(p Partition) (*Release, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.mu.lanes[p]
	n := 0
	for n < min(len(l.line), mostReleased) && l.line[n].outcome != 0 {
		n++
	}
	if n == 0 || t.mu.fenced {
		return nil, false
	}
	r := &Release{lane: l, seq: l.ranges.Next(), tickets: l.line[:n:n]}
	l.line = l.line[n:]
	r.Range.Source = schemas.SourceID{Pipeline: t.pipeline, Topic: p.Topic, Partition: p.ID}
	r.Range.Span = schemas.Span{First: r.tickets[0].span.First, Next: r.tickets[n-1].span.Next}
	now := time.Now()
	for _, k := range r.tickets {
		if !k.settled.IsZero() {
			r.records++
			r.held += now.Sub(k.settled).Microseconds()
		}
		r.add(k)
	}
	return r, true
}

func (r *Release) add(k *Ticket) {
	switch k.outcome {
	case Computed:
		r.Rows = append(r.Rows, k.rows...)
		k.rows = nil
	case Dead:
		r.Range.Dead = extend(r.Range.Dead, k.span)
	case Skipped:
		r.Range.Skipped = extend(r.Range.Skipped, k.span)
	case Lost:
		r.Range.Lost = extend(r.Range.Lost, k.span)
	}
	r.traces = append(r.traces, k.traces...)
	for _, id := range k.deletes {
		if id != "" {
			r.Range.Deletes = append(r.Range.Deletes, schemas.Deletion{Offset: k.span.First, RefID: id})
		}
	}
}

// extend appends a span, joining it to the last where they touch.
func extend(spans []schemas.Span, s schemas.Span) []schemas.Span {
	if n := len(spans); n > 0 && spans[n-1].Next == s.First {
		spans[n-1].Next = s.Next
		return spans
	}
	return append(spans, s)
}

// Written says that the sink has taken the release over.
func (t *Tracker) Written(r *Release) {
	for _, k := range r.tickets {
		k.free()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.open -= len(r.tickets)
	clear(r.tickets) // the line's array outlives them, and would keep what they hold
	r.tickets = nil
	t.checkDrainedLocked()
}

// Durable says that the sink has made the release durable; the commit point moves when everything before it is durable too (I1, I2).
func (t *Tracker) Durable(r *Release) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.fenced { // I3: a late done is counted only, or it would commit for another owner
		t.mu.late++
		return
	}
	ends, err := r.lane.ranges.Ack(r.seq, r.Range.Next)
	if err != nil {
		panic("stream: a range was reported durable twice (I5): " + err.Error())
	}
	t.mu.soft -= r.records
	if len(ends) > 0 {
		r.lane.durable, r.lane.since = ends[len(ends)-1], time.Now()
		t.movedLocked(r.lane)
	}
}

// movedLocked notes l if it has a commit point to hand out.
func (t *Tracker) movedLocked(l *lane) {
	if l.durable > l.committed && !l.moved {
		l.moved = true
		t.mu.moved = append(t.mu.moved, l)
	}
}

// Points are the commit points that have moved since they were last handed out: next offsets to read, Kafka's meaning.
func (t *Tracker) Points() map[Partition]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.fenced {
		return nil
	}
	return t.pointsLocked()
}

func (t *Tracker) pointsLocked() map[Partition]int64 {
	out := make(map[Partition]int64, len(t.mu.moved))
	for _, l := range t.mu.moved {
		l.moved, l.committed = false, l.durable
		out[l.part] = l.durable
	}
	t.mu.moved = t.mu.moved[:0]
	return out
}

// Place is how far one partition has come. Offsets are next offsets: Read, Durable and End are the first that is not read, not durable, not in the log.
type Place struct {
	Partition
	Read, Durable, End int64
	Waiting            time.Duration // since Durable moved last, or something was read behind it; 0 if all that was read is durable
}

// Lag is the number of offsets in the log that have no durable fate yet.
func (p Place) Lag() int64 { return max(0, p.End-p.Durable) }

// Ends notes where the log of p ends. Sources learn it out of order: the largest counts.
func (t *Tracker) Ends(p Partition, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l, ok := t.mu.lanes[p]; ok {
		l.end = max(l.end, end)
	}
}

// Places says how far each partition has come, in no order. A log is never shorter than what was read of it.
func (t *Tracker) Places() []Place {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Place, 0, len(t.mu.lanes))
	for p, l := range t.mu.lanes {
		at := Place{Partition: p, Read: l.next, Durable: l.durable, End: max(l.end, l.next)}
		if at.Read > at.Durable {
			at.Waiting = time.Since(l.since)
		}
		all = append(all, at)
	}
	return all
}

// Uncommitted takes back points whose commit failed, so that they are handed out again.
func (t *Tracker) Uncommitted(points map[Partition]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range points {
		if l, ok := t.mu.lanes[p]; ok {
			l.committed = -1
			t.movedLocked(l)
		}
	}
}

// Fence ends the account and returns the last commit points. Nothing moves afterwards: what is settled and not written is freed, and
// what comes later is counted and freed (I3).
func (t *Tracker) Fence() map[Partition]int64 {
	t.mu.Lock()
	if t.mu.fenced {
		t.mu.Unlock()
		return nil
	}
	t.mu.fenced = true
	points := t.pointsLocked()
	var settled []*Ticket
	for _, l := range t.mu.lanes {
		for _, k := range l.line {
			if k.outcome != 0 {
				settled = append(settled, k)
			}
		}
	}
	t.mu.Unlock()
	for _, k := range settled {
		k.free()
	}
	return points
}

// Drained is closed once every tracked record has been written to the sink. No record may be tracked after it is asked for.
func (t *Tracker) Drained() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.drained == nil {
		t.mu.drained = make(chan struct{})
		t.checkDrainedLocked()
	}
	return t.mu.drained
}

func (t *Tracker) checkDrainedLocked() {
	if t.mu.drained == nil || t.mu.open > 0 {
		return
	}
	select {
	case <-t.mu.drained:
	default:
		close(t.mu.drained)
	}
}

// InFlight is the number of records tracked and not yet written; Late how many outcomes came after the fence.
func (t *Tracker) InFlight() int { t.mu.Lock(); defer t.mu.Unlock(); return t.mu.open }

// Late counts settlements and durable ranges that came after the fence.
func (t *Tracker) Late() int64 { t.mu.Lock(); defer t.mu.Unlock(); return t.mu.late }

// Abandoned is the number of records that were tracked and are not durable: after the fence they never will be, as far as this assignment knows.
func (t *Tracker) Abandoned() int { t.mu.Lock(); defer t.mu.Unlock(); return t.mu.soft }

// Partitions lists the partitions of the assignment.
func (t *Tracker) Partitions() []Partition {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ps []Partition
	for p := range maps.Keys(t.mu.lanes) {
		ps = append(ps, p)
	}
	return ps
}

// wake signals a channel of capacity 1 that need not count.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
