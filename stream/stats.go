package stream

import (
	"sync"
	"sync/atomic"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Stats are a pipeline's running totals since it was made, and what it holds now.
type Stats struct {
	Records, Computed, Skipped, Lost int64
	Dead                             map[schemas.Reason]int64
	Rows, FetchedBytes               int64
	Fetch, ReserveWait               time.Duration // busy time of the fetchers, and how much of it they waited for memory
	FetchQueue                       float64       // seconds from being taken in until a fetcher began, summed over references: as many may wait as are in flight, too long a sum for a Duration
	Unfetched                        int           // references taken in that no fetcher has begun
	HoldBack                         float64       // seconds from being settled until those before them were, summed over records: too long a sum for a Duration
	Durable                          float64       // seconds from being handed to the sink until being durable, summed over records, too
	Write                            time.Duration // busy time of the sink: of Write, over the partitions, with calls that have not returned
	Writers                          int           // partitions of the assignment, each of which has a writer of its own; without one, of the last that had any
	Commits, Assignments, Losses     int64
	Abandoned                        int64         // records whose assignment ended before they were durable: their next owner reads them again
	Partitions                       int           // of the assignment; 0 without one
	Lag                              int64         // offsets in the logs of the assigned partitions that have no durable fate yet
	Waiting                          time.Duration // longest of the partitions': see Place
	InFlight                         int           // records between being read and being the sink's
	Held, PeakHeld, Budget           int64         // bytes
}

// Stats gives the totals so far.
func (p *Pipeline) Stats() Stats {
	c := &p.stats
	s := Stats{
		Records: c.records.Load(), Computed: c.computed.Load(), Skipped: c.skipped.Load(), Lost: c.lost.Load(),
		Dead: c.deadByReason(), Rows: c.rows.Load(), FetchedBytes: c.bytes.Load(),
		Fetch: time.Duration(c.fetch.Load()), ReserveWait: time.Duration(c.reserveWait.Load()),
		FetchQueue: float64(c.fetchQueue.Load()) / 1e6, Unfetched: int(c.unfetched.Load()),
		HoldBack: float64(c.holdBack.Load()) / 1e6, Durable: float64(c.durable.Load()) / 1e6, Write: c.write.Total(), Writers: int(c.writers.Load()), Abandoned: c.abandoned.Load(),
		Commits: c.commits.Load(), Assignments: c.assignments.Load(), Losses: c.losses.Load(),
		InFlight: len(p.slots), Held: p.budget.Held(), PeakHeld: p.budget.Peak(), Budget: p.budget.Total(),
	}
	if ep := p.current(); ep != nil {
		places := ep.tracker.Places()
		s.Partitions = len(places)
		for _, at := range places {
			s.Lag += at.Lag()
			s.Waiting = max(s.Waiting, at.Waiting)
		}
	}
	return s
}

// Places says how far each partition of the current assignment has come, in no order; none without an assignment.
func (p *Pipeline) Places() []Place {
	ep := p.current()
	if ep == nil {
		return nil
	}
	return ep.tracker.Places()
}

// Witness is told what passes through a pipeline, to show it: of objects as they come, a record's rows, which may be none, once all of them are computed, and letters once they are durable. Nothing
// depends on it. It is called where the work is done, so it must be quick and safe for concurrent use, and keep nothing that it is handed.
type Witness interface {
	Fetched(at Position, ref *schemas.Ref, b *Blob)
	Computed(at Position, rows []schemas.Row)
	Buried(l *sinks.Letter)
}

type counters struct {
	records, computed, skipped, lost, rows, bytes atomic.Int64
	fetch, reserveWait                            atomic.Int64 // nanoseconds
	unfetched                                     atomic.Int64 // now
	fetchQueue, holdBack, durable                 atomic.Int64 // microseconds: a billion records that wait five minutes for their file are more nanoseconds than there are
	write                                         sinks.Occupied
	commits, assignments, losses, abandoned       atomic.Int64
	writers                                       atomic.Int64 // of the last assignment with any: shares of its time are asked for when it has ended
	dead                                          struct {
		sync.Mutex
		by map[schemas.Reason]int64
	}
}

// begun counts a reference that waits no longer for a fetcher.
func (c *counters) begun(waited time.Duration) {
	c.unfetched.Add(-1)
	c.fetchQueue.Add(waited.Microseconds())
}

func (c *counters) fetched(d time.Duration, b *Blob) {
	c.fetch.Add(int64(d))
	if b != nil {
		c.bytes.Add(int64(len(b.Data)))
	}
}

// released counts what the sink is about to be handed.
func (c *counters) released(r *Release) {
	r.began = c.write.Begin()
	c.holdBack.Add(r.held)
}

func (c *counters) buried(r schemas.Reason) {
	c.dead.Lock()
	defer c.dead.Unlock()
	if c.dead.by == nil {
		c.dead.by = map[schemas.Reason]int64{}
	}
	c.dead.by[r]++
}

func (c *counters) deadByReason() map[schemas.Reason]int64 {
	c.dead.Lock()
	defer c.dead.Unlock()
	out := make(map[schemas.Reason]int64, len(c.dead.by))
	for r, n := range c.dead.by {
		out[r] = n
	}
	return out
}
