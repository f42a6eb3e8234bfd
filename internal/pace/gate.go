package pace

import (
	"context"
	"sync"
)

// Gate is what work passes while it is open, as it is at first. It is safe for concurrent use; a nil Gate is open.
type Gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed by Open; nil while the gate is open
}

// Shut has those who come wait.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

// Open lets through who waits, and who comes.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// IsShut says how the gate is now.
func (g *Gate) IsShut() bool { return g != nil && g.waiting() != nil }

func (g *Gate) waiting() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened
}

// Wait blocks while the gate is shut, or until ctx ends, whose error it returns then.
func (g *Gate) Wait(ctx context.Context) error {
	if g == nil {
		return ctx.Err()
	}
	for opened := g.waiting(); opened != nil; opened = g.waiting() {
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
