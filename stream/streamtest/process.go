package streamtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"vecmill/sinks"
	"vecmill/sinks/objectstore"
	"vecmill/stream"
)

// ErrCrashed is what a crashed process's calls to the outside give. Nothing of them reaches it.
var ErrCrashed = errors.New("streamtest: the process has crashed")

// Process is the boundary between a worker and the world: every effect passes through it and is counted, and at a chosen one
// the process crashes. The effect at which it crashes may or may not have happened: that too is drawn from the seed.
type Process struct {
	mu struct {
		sync.Mutex
		effects int
		at      int // crash at this effect; 0: never
		dead    bool
		r       *rand.Rand
	}
	crash context.CancelFunc
}

// NewProcess makes a boundary that calls crash at the effect number at, counted from 1; 0 means never.
func NewProcess(seed uint64, at int, crash context.CancelFunc) *Process {
	p := &Process{crash: crash}
	p.mu.at = at
	p.mu.r = rand.New(rand.NewPCG(seed, 13))
	return p
}

// Crashed says whether the process has crashed.
func (p *Process) Crashed() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.dead }

// Effects is the number of effects so far.
func (p *Process) Effects() int { p.mu.Lock(); defer p.mu.Unlock(); return p.mu.effects }

// Kill crashes the process now.
func (p *Process) Kill() {
	p.mu.Lock()
	p.mu.dead = true
	p.mu.Unlock()
	p.crash()
}

// Effect carries f out unless the process has crashed, or crashes now.
func (p *Process) Effect(f func() error) error {
	p.mu.Lock()
	if p.mu.dead {
		p.mu.Unlock()
		return ErrCrashed
	}
	p.mu.effects++
	now := p.mu.effects == p.mu.at
	landed := now && p.mu.r.IntN(2) == 0
	p.mu.dead = now
	p.mu.Unlock()
	if !now {
		return f()
	}
	if landed {
		_ = f() // the process never learns of it
	}
	p.crash()
	return ErrCrashed
}

// alive gates a read, which is no effect.
func (p *Process) alive() error {
	if p.Crashed() {
		return ErrCrashed
	}
	return nil
}

// Store is an object store as the process sees it.
func (p *Process) Store(s objectstore.Store) objectstore.Store { return gatedStore{p, s} }

type gatedStore struct {
	p *Process
	objectstore.Store
}

func (g gatedStore) List(ctx context.Context, prefix, after string) ([]string, error) {
	if err := g.p.alive(); err != nil {
		return nil, err
	}
	return g.Store.List(ctx, prefix, after)
}

func (g gatedStore) Stat(ctx context.Context, name string) (objectstore.Info, error) {
	if err := g.p.alive(); err != nil {
		return objectstore.Info{}, err
	}
	return g.Store.Stat(ctx, name)
}

func (g gatedStore) PutIfAbsent(ctx context.Context, name string, body []byte, meta map[string]string) error {
	return g.p.Effect(func() error { return g.Store.PutIfAbsent(ctx, name, body, meta) })
}

// Letters is a dead-letter store as the process sees it.
func (p *Process) Letters(d sinks.DeadLetters) sinks.DeadLetters { return gatedLetters{p, d} }

type gatedLetters struct {
	p *Process
	sinks.DeadLetters
}

func (g gatedLetters) Put(ctx context.Context, l sinks.Letter) error {
	return g.p.Effect(func() error { return g.DeadLetters.Put(ctx, l) })
}

// Source is a source whose commits pass the boundary.
func (p *Process) Source(s stream.Source) stream.Source { return gatedSource{p, s} }

type gatedSource struct {
	p *Process
	stream.Source
}

func (g gatedSource) Run(ctx context.Context, a stream.Assignments) error {
	return g.Source.Run(ctx, gatedAssignments{a, g.p})
}

type gatedAssignments struct {
	stream.Assignments
	p *Process
}

func (g gatedAssignments) Assigned(ctx context.Context, c stream.Committer, parts map[stream.Partition]stream.Bounds) (map[stream.Partition]int64, error) {
	return g.Assignments.Assigned(ctx, gatedCommitter{g.p, c}, parts)
}

// Revoked of a crashed process does nothing: a killed worker does not drain.
func (g gatedAssignments) Revoked(ctx context.Context) {
	if g.p.Crashed() {
		g.Lost()
		return
	}
	g.Assignments.Revoked(ctx)
}

type gatedCommitter struct {
	p *Process
	stream.Committer
}

func (g gatedCommitter) Commit(ctx context.Context, next map[stream.Partition]int64) error {
	return g.p.Effect(func() error { return g.Committer.Commit(ctx, next) })
}
