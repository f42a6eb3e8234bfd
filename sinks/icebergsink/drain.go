package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vecmill/schemas"
)

// mostRolls is how many rolls one snapshot takes: so many only wait when the catalog was away.
const mostRolls = 64

// errGivenUp says that a source was given up while its commit was being prepared.
var errGivenUp = errors.New("a source was given up meanwhile")

// drain commits the closed rolls in their order, as many at once as are ready, until there are none.
func (s *Sink) drain() {
	for {
		s.mu.Lock()
		if len(s.mu.queue) == 0 {
			s.mu.draining = false
			s.mu.Unlock()
			return
		}
		first := s.mu.queue[0]
		s.mu.Unlock()
		<-first.prepared

		s.mu.Lock()
		n := 1
		for n < min(len(s.mu.queue), mostRolls) && s.mu.queue[n].ready() && s.mu.queue[n].err == nil && first.err == nil {
			n++
		}
		group := slices.Clone(s.mu.queue[:n])
		c := &change{sink: s, rolls: group}
		var ctx context.Context
		ctx, c.cancel = context.WithCancel(s.run)
		s.mu.commit = c
		s.mu.Unlock()

		var out Outcome
		began, err := time.Now(), first.err
		if err == nil {
			out, err = Commit(ctx, c, c, s.options())
		}
		c.cancel()
		if o := s.cfg.Observer; o != nil && err == nil && len(out.Added)+len(out.Taken) > 0 {
			o.Committed(Committed{out.Added, out.Taken, out.Delta, reasons(group), out.Tries, time.Since(began)})
		}
		s.finish(c, &out, err)
	}
}

func (r *roll) ready() bool {
	select {
	case <-r.prepared:
		return true
	default:
		return false
	}
}

func reasons(group []*roll) (all []Reason) {
	for _, r := range group {
		all = append(all, r.reason)
	}
	return all
}

func (s *Sink) options() Options {
	return Options{Retry: s.cfg.Retry, Timeout: s.cfg.Timeout, Nonce: s.name(), Writer: s.cfg.Writer, Heads: s.cfg.Heads}
}

// name is unique to this sink and, but for an accident of 64 random bits, to all.
func (s *Sink) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.files++
	return fmt.Sprintf("%s-%d", s.writer, s.mu.files)
}

// finish settles what a commit has decided.
func (s *Sink) finish(c *change, out *Outcome, err error) {
	type ending struct {
		entries []*entry
		err     error
	}
	var endings []ending
	s.mu.Lock()
	s.mu.queue, s.mu.commit = s.mu.queue[len(c.rolls):], nil
	seen := map[*lane]bool{}
	for _, r := range c.rolls {
		for _, e := range r.entries {
			l := e.l
			if seen[l] || l.err != nil { // given up meanwhile: its entries are settled
				continue
			}
			seen[l] = true
			why := err
			if why == nil && slices.Contains(out.Fenced, l.src) {
				why = errGap(l.src)
			}
			if why != nil {
				endings = append(endings, ending{s.failLocked(l, why), why})
				continue
			}
			l.next = max(l.next, out.Next[l.src])
			n := 0
			for n < len(l.entries) && l.entries[n].r.Next <= l.next {
				n++
			}
			endings = append(endings, ending{s.takeLocked(l, n, nil), nil})
		}
	}
	s.mu.Unlock()
	for _, e := range endings {
		settle(e.entries, e.err)
	}
	for _, r := range c.rolls {
		close(r.settled)
	}
}

// change is rolls on their way into the table. It implements Change, and the table as these rolls see it.
type change struct {
	sink   *Sink
	rolls  []*roll
	cancel context.CancelFunc // ends it when nobody wants it any more
	lanes  []*lane            // of the ranges that were wanted last
	search search             // for what tombstones take away
}

// attempt is a catalog that is being asked for a snapshot with ranges of some lanes.
type attempt struct {
	lanes []*lane
	over  chan struct{}
}

// Wanted implements Change.
func (c *change) Wanted() []schemas.Range {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	var all []schemas.Range
	at := map[*lane]int{}
	c.lanes = nil
	for _, r := range c.rolls {
		for _, e := range r.entries {
			if e.l.err != nil {
				continue
			}
			if i, ok := at[e.l]; ok {
				all[i].Join(&e.r)
				continue
			}
			at[e.l] = len(all)
			c.lanes = append(c.lanes, e.l)
			first := e.r.Cut(e.r.First, e.r.Next) // Join grows its lists
			all = append(all, first)
		}
	}
	return all
}

// Delta implements Change. Most often the files are there already; they are written again without the rows that the table has got otherwise, or that a tombstone
// of a later roll takes away.
func (c *change) Delta(ctx context.Context, v *View, of []schemas.Range) (d Delta, gone Offsets, err error) {
	s := c.sink
	s.mu.Lock()
	err = s.seeLocked(v)
	s.mu.Unlock()
	if err != nil {
		return d, nil, err
	}
	away, at := s.doom(of), map[schemas.SourceID][]int64{}
	for _, r := range c.rolls {
		rows := s.rowsOf(r, of, away, at)
		if !slices.Equal(rows, r.rows) {
			if r.files, err = s.writeFiles(ctx, v, rows); err != nil {
				r.rows, r.files = nil, nil
				return d, nil, err
			}
			r.rows = rows
		}
		d.Data = append(d.Data, r.files...)
	}
	if d.Deletes, err = c.search.deletes(ctx, s, v, away, at); err != nil {
		return d, nil, err
	}
	return d, offsetsOf(at), nil
}

// Load implements Table.
func (c *change) Load(ctx context.Context) (View, error) { return c.sink.cfg.Table.Load(ctx) }

// Rows implements Table.
func (c *change) Rows(ctx context.Context, v View, src schemas.SourceID, in schemas.Span) ([]schemas.Row, error) {
	return c.sink.cfg.Table.Rows(ctx, v, src, in)
}

// Candidates implements Table.
func (c *change) Candidates(ctx context.Context, v View, of []Tombstone) ([]Candidate, error) {
	return c.sink.cfg.Table.Candidates(ctx, v, of)
}

// Append implements Table: nothing is asked for a source that was given up meanwhile, and who resumes one waits while the catalog is being asked for it.
func (c *change) Append(ctx context.Context, v View, d Delta, summary map[string]string) error {
	s := c.sink
	s.mu.Lock()
	if slices.ContainsFunc(c.lanes, func(l *lane) bool { return l.err != nil }) {
		s.mu.Unlock()
		return errGivenUp
	}
	a := &attempt{c.lanes, make(chan struct{})}
	s.mu.attempt = a
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.mu.attempt = nil
		s.mu.Unlock()
		close(a.over)
	}()
	return s.cfg.Table.Append(ctx, v, d, summary)
}

// Close implements Table; it is the sink's to close.
func (c *change) Close() error { return nil }

// awaitAttempt waits while the catalog is being asked for a snapshot with ranges of src. Should it be made later all the same, it is another writer's
// like any (C5).
func (s *Sink) awaitAttempt(ctx context.Context, src schemas.SourceID) error {
	s.mu.Lock()
	a := s.mu.attempt
	s.mu.Unlock()
	if a == nil || !slices.ContainsFunc(a.lanes, func(l *lane) bool { return l.src == src }) {
		return nil
	}
	select {
	case <-a.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
