package streamtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"vecmill/stream"
)

// ErrGenerationOver is what a committer of an ended generation answers.
var ErrGenerationOver = errors.New("streamtest: the generation is over")

// Log is a topic of several partitions with one consumer group.
type Log struct {
	Topic string
	mu    struct {
		sync.Mutex
		parts     map[int][]stream.Record
		committed map[int]int64
		gen       int
		moving    bool // a rebalance is under way: nobody may begin to serve an older assignment
		members   map[string]*Member
		fault     error // a partition's commit moved back: I2 is broken
	}
}

// NewLog makes a topic of n empty partitions.
func NewLog(topic string, n int) *Log {
	l := &Log{Topic: topic}
	l.mu.parts = map[int][]stream.Record{}
	l.mu.committed = map[int]int64{}
	l.mu.members = map[string]*Member{}
	for i := range n {
		l.mu.parts[i] = nil
		l.mu.committed[i] = -1
	}
	return l
}

// Append adds a record at the given offset, which must not be below the end of the partition; a gap stands for
// compacted or control records.
func (l *Log) Append(part int, offset int64, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.parts[part] = append(l.mu.parts[part], stream.Record{Offset: offset, Value: value})
}

// End is the offset behind the last record of a partition.
func (l *Log) End(part int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endLocked(part)
}

func (l *Log) endLocked(part int) int64 {
	recs := l.mu.parts[part]
	if len(recs) == 0 {
		return 0
	}
	return recs[len(recs)-1].Offset + 1
}

// Partitions lists the partitions.
func (l *Log) Partitions() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.mu.parts))
}

// Records gives a partition's records.
func (l *Log) Records(part int) []stream.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.mu.parts[part])
}

// Committed is the group's next offset of a partition, -1 before the first commit.
func (l *Log) Committed(part int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.committed[part]
}

// Err is the first broken promise towards the group, if there is one.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.fault
}

// Member is one consumer of the group: a stream.Source.
type Member struct {
	log    *Log
	name   string
	assign chan assignment // cap 1
	mu     struct {
		sync.Mutex
		end  context.CancelFunc // ends the present assignment
		over chan struct{}      // closed when it has been revoked
		lost bool               // the next end is a loss, not a revocation
	}
	Drain time.Duration // given to Revoked
}

type assignment struct {
	gen   int
	parts []int
}

// Join adds a member, which has no partitions before the next Rebalance.
func (l *Log) Join(name string) *Member {
	m := &Member{log: l, name: name, assign: make(chan assignment, 1), Drain: 10 * time.Second}
	l.mu.Lock()
	l.mu.members[name] = m
	l.mu.Unlock()
	return m
}

// Leave takes a member out of the group without telling it: what the broker does to a crashed or a paused one.
func (l *Log) Leave(name string) {
	l.mu.Lock()
	delete(l.mu.members, name)
	l.mu.Unlock()
}

// Member finds a member by name, nil if it is not in the group.
func (l *Log) Member(name string) *Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.members[name]
}

// Rebalance revokes everybody, waits until they have drained, and hands the partitions out anew, round robin.
func (l *Log) Rebalance() {
	l.mu.Lock()
	l.mu.moving = true
	names := slices.Sorted(maps.Keys(l.mu.members))
	members := make([]*Member, len(names))
	for i, n := range names {
		members[i] = l.mu.members[n]
	}
	l.mu.Unlock()
	for _, m := range members {
		m.revoke(false)
	}
	l.mu.Lock()
	l.mu.moving = false
	l.mu.gen++ // from here on, commits of older generations are refused
	gen, parts := l.mu.gen, slices.Sorted(maps.Keys(l.mu.parts))
	l.mu.Unlock()
	for i, m := range members {
		a := assignment{gen: gen}
		for k := i; k < len(parts); k += len(members) {
			a.parts = append(a.parts, parts[k])
		}
		select {
		case <-m.assign: // never begun
		default:
		}
		m.assign <- a
	}
}

// current says whether a generation may still be served.
func (l *Log) current(gen int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return gen == l.mu.gen && !l.mu.moving
}

// Lose tells a member that was taken out of the group that it has lost its partitions: what a zombie learns when it wakes.
func (m *Member) Lose() { m.revoke(true) }

func (m *Member) revoke(lost bool) {
	m.mu.Lock()
	end, over := m.mu.end, m.mu.over
	m.mu.lost = lost
	m.mu.end, m.mu.over = nil, nil
	m.mu.Unlock()
	if end != nil {
		end()
		<-over
	}
}

// Run implements stream.Source.
func (m *Member) Run(ctx context.Context, a stream.Assignments) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case as := <-m.assign:
			if err := m.serve(ctx, a, as); err != nil {
				return err
			}
		}
	}
}

func (m *Member) serve(ctx context.Context, a stream.Assignments, as assignment) error {
	actx, end := context.WithCancel(ctx)
	defer end()
	over := make(chan struct{})
	m.mu.Lock()
	m.mu.end, m.mu.over = end, over
	m.mu.Unlock()
	defer close(over)
	if !m.log.current(as.gen) {
		return nil
	}
	bounds := map[stream.Partition]stream.Bounds{}
	for _, p := range as.parts {
		bounds[m.part(p)] = stream.Bounds{Committed: m.log.Committed(p), End: m.log.End(p)}
	}
	start, err := a.Assigned(actx, committer{m.log, as.gen}, bounds)
	if err != nil {
		if actx.Err() != nil {
			return nil
		}
		return err
	}
	var wg sync.WaitGroup
	for _, p := range as.parts {
		wg.Go(func() { m.poll(actx, a, p, start[m.part(p)]) })
	}
	wg.Wait()
	m.mu.Lock()
	lost := m.mu.lost
	m.mu.Unlock()
	if lost {
		a.Lost()
		return nil
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.Drain)
	defer cancel()
	a.Revoked(drain)
	return nil
}

func (m *Member) part(p int) stream.Partition { return stream.Partition{Topic: m.log.Topic, ID: p} }

// poll delivers small chunks until ctx ends.
func (m *Member) poll(ctx context.Context, a stream.Assignments, part int, next int64) {
	for ctx.Err() == nil {
		recs := m.log.from(part, next, 7)
		if len(recs) == 0 {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		to := recs[len(recs)-1].Offset + 1
		if a.Records(ctx, m.part(part), recs, to) != nil {
			return
		}
		next = to
	}
}

func (l *Log) from(part int, offset int64, most int) []stream.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []stream.Record
	for _, r := range l.mu.parts[part] {
		if r.Offset >= offset && len(out) < most {
			out = append(out, r)
		}
	}
	return out
}

type committer struct {
	log *Log
	gen int
}

// Commit implements stream.Committer, and holds the pipeline to I2: points never move back.
func (c committer) Commit(_ context.Context, next map[stream.Partition]int64) error {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.gen != l.mu.gen {
		return ErrGenerationOver
	}
	for p, n := range next {
		if n < l.mu.committed[p.ID] && l.mu.fault == nil {
			l.mu.fault = fmt.Errorf("the commit of %s moved back from %d to %d (I2)", p, l.mu.committed[p.ID], n)
		}
		l.mu.committed[p.ID] = n
	}
	return nil
}
