package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"vecmill/stream"
)

// What the coordinator answers.
var (
	errEvicted   = errors.New("simulate: not a member of this generation")
	errRejoin    = errors.New("simulate: the group rebalances")
	errNoAnswer  = errors.New("simulate: the broker does not answer")
	errOtherPart = errors.New("simulate: the partition is not this member's")
)

// group is the coordinator of the consumer group: Kafka's classic protocol with eager rebalances. Members that are silent for a session are
// evicted; a rebalance waits for every member to rejoin, or for its time-out.
type group struct {
	w  *world
	mu struct {
		sync.Mutex
		gen       int
		owner     map[int]string // partition to member, in this generation
		committed []int64        // -1: nothing yet
		members   map[string]*seat
		preparing bool
		since     time.Time // of preparing
	}
}

// seat is one member.
type seat struct {
	seen time.Time
	join chan grant // cap 1; nil: not waiting for a generation
}

// grant is one member's part of a generation.
type grant struct {
	gen   int
	parts []int
}

func newGroup(w *world) *group {
	g := &group{w: w}
	g.mu.members, g.mu.owner = map[string]*seat{}, map[int]string{}
	for range w.plan.Partitions {
		g.mu.committed = append(g.mu.committed, -1)
	}
	return g
}

func (g *group) close() {}

// source is a scripted member.
func (g *group) source(p *process, _ *slog.Logger) (stream.Source, error) {
	return &member{w: g.w, g: g, p: p, d: g.w.d}, nil
}

// run is the coordinator's clock.
func (g *group) run(ctx context.Context) {
	tick := time.NewTicker(99*time.Millisecond + 777)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !g.w.brokerDown() {
				g.turn(time.Now())
			}
		case <-ctx.Done():
			return
		}
	}
}

// turn evicts who is silent and completes a rebalance that need not wait any more.
func (g *group) turn(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := 0
	for _, name := range slices.Sorted(maps.Keys(g.mu.members)) {
		switch s := g.mu.members[name]; {
		case s.join != nil:
			waiting++
		case now.Sub(s.seen) > g.w.plan.Group.Session:
			g.w.tr.add("group", "%s is evicted", name)
			delete(g.mu.members, name)
			g.prepareLocked()
		}
	}
	if g.mu.preparing && (waiting == len(g.mu.members) || now.Sub(g.mu.since) > g.w.plan.Group.Rebalance) {
		g.completeLocked(now)
	}
}

func (g *group) prepareLocked() {
	if !g.mu.preparing {
		g.mu.preparing, g.mu.since = true, time.Now()
	}
}

// completeLocked begins a generation of those that have rejoined.
func (g *group) completeLocked(now time.Time) {
	g.mu.preparing = false
	g.mu.gen++ // from here on, commits of older generations are refused
	clear(g.mu.owner)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(g.mu.members)) {
		if g.mu.members[name].join == nil {
			g.w.tr.add("group", "%s did not rejoin in time", name)
			delete(g.mu.members, name)
			continue
		}
		names = append(names, name)
	}
	for i, name := range names {
		s, out := g.mu.members[name], grant{gen: g.mu.gen}
		for part := (i + g.mu.gen) % len(names); part < g.w.plan.Partitions; part += len(names) {
			out.parts = append(out.parts, part)
			g.mu.owner[part] = name
		}
		s.seen = now
		s.join <- out
		s.join = nil
	}
	g.w.tr.add("group", "generation %d: %v", g.mu.gen, names)
}

// join asks for a place in the next generation.
func (g *group) join(name string) <-chan grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.mu.members[name]
	if s == nil {
		s = &seat{}
		g.mu.members[name] = s
	}
	if s.join == nil {
		s.join = make(chan grant, 1)
	}
	s.seen = time.Now()
	g.prepareLocked()
	return s.join
}

// leave takes a member out.
func (g *group) leave(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.members[name] != nil {
		delete(g.mu.members, name)
		g.prepareLocked()
	}
}

// rebalance is what a change of the topic or of the group does.
func (g *group) rebalance() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepareLocked()
}

// heartbeat keeps a seat. errRejoin asks to drain and rejoin, errEvicted says that somebody else may own the partitions.
func (g *group) heartbeat(name string, gen int) error {
	if g.w.brokerDown() {
		return errNoAnswer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.mu.members[name]
	if s == nil || gen != g.mu.gen {
		return errEvicted
	}
	s.seen = time.Now()
	if g.mu.preparing {
		return errRejoin
	}
	return nil
}

// commit stores positions, and has the oracle look at each (I1, I2).
func (g *group) commit(name string, gen int, next map[stream.Partition]int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gen != g.mu.gen || g.mu.members[name] == nil {
		return errEvicted
	}
	for _, part := range slices.SortedFunc(maps.Keys(next), func(a, b stream.Partition) int { return a.ID - b.ID }) {
		n := next[part]
		if g.mu.owner[part.ID] != name {
			g.w.oracle.offend("%s commits %d for partition %d, which is %q's: %v", name, n, part.ID, g.mu.owner[part.ID], errOtherPart)
		}
		if was := g.mu.committed[part.ID]; n < was {
			g.w.oracle.offend("the commit of partition %d moves back from %d to %d (I2)", part.ID, was, n)
		}
		g.w.oracle.committed(part.ID, n)
		g.mu.committed[part.ID] = n
		g.w.tr.add("group", "%s commits %d of partition %d", name, n, part.ID)
	}
	return nil
}

func (g *group) committed(part int) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.committed[part]
}

// ownerOf is the member that a partition belongs to, "" if it is nobody's.
func (g *group) ownerOf(part int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.owner[part]
}

// finished says whether everything is committed.
func (g *group) finished() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for part, n := range g.mu.committed {
		if n != g.w.log.final(part) {
			return false
		}
	}
	return true
}

// where says how far the group is, for people.
func (g *group) where() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := fmt.Sprintf("generation %d (rebalancing: %v)", g.mu.gen, g.mu.preparing)
	for part, n := range g.mu.committed {
		out += fmt.Sprintf("; partition %d committed %d of %d", part, n, g.w.log.final(part))
	}
	return out
}
