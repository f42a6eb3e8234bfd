package wire

import (
	"container/list"
	"context"
	"sync"

	"vecmill/embed"
	"vecmill/internal/budget"
	"vecmill/internal/config"
	"vecmill/schemas"
)

const (
	pastReaders   = 2        // row groups that are read at once
	pastGroup     = 32 << 20 // bytes of one in memory, as they are written; a row that is larger is one by itself
	mostPastBytes = 256 << 20
)

// pastBytes is the memory of a pipeline's row groups with reuse_outputs, those that are being read included: a quarter of memory_budget, up to 256 MiB, and no less than one beside those being read.
func pastBytes(p *config.Pipeline) int64 {
	if !p.ReuseOutputs {
		return 0
	}
	return max(min(int64(p.MemoryBudget)/4, mostPastBytes), (pastReaders+1)*pastGroup)
}

// groupAt is a row group of a file.
type groupAt struct {
	file  uint32
	group int
}

// groups are the row groups that were asked for last, up to so many bytes and at least one. A few are read at once, those of live records first. It is safe for concurrent use.
type groups struct {
	read  func(ctx context.Context, at groupAt) ([]schemas.Row, error)
	most  int64          // bytes
	turns *budget.Budget // of readers: one each
	mu    struct {
		sync.Mutex
		all  map[groupAt]*group
		kept list.List // of *group: those that are read, what was asked for last in front
		held int64     // bytes of them
	}
}

// group is a row group that is read, or being read: who wants it meanwhile waits for it alone.
type group struct {
	at    groupAt
	ready chan struct{} // closed when what follows is there
	rows  []schemas.Row // not to be changed
	err   error
	bytes int64
	place *list.Element // guarded by groups.mu; nil until it is read
}

func newGroups(bytes int64, read func(ctx context.Context, at groupAt) ([]schemas.Row, error)) *groups {
	g := &groups{read: read, most: bytes - pastReaders*pastGroup, turns: budget.New(pastReaders, int(embed.Backfill)+1)}
	g.mu.all = map[groupAt]*group{}
	return g
}

// get gives a row group; whoever is first reads it. A failure is that of all who waited, and whoever asks next tries anew.
func (s *groups) get(ctx context.Context, at groupAt, p embed.Priority) ([]schemas.Row, error) {
	s.mu.Lock()
	g, coming := s.mu.all[at]
	if !coming {
		g = &group{at: at, ready: make(chan struct{})}
		s.mu.all[at] = g
	} else if g.place != nil {
		s.mu.kept.MoveToFront(g.place)
	}
	s.mu.Unlock()
	if !coming {
		g.rows, g.err = s.take(ctx, at, p)
		s.keep(g)
		close(g.ready)
	}
	select {
	case <-g.ready:
		return g.rows, g.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take reads a row group when it is its turn.
func (s *groups) take(ctx context.Context, at groupAt, p embed.Priority) ([]schemas.Row, error) {
	turn, err := s.turns.Enter(int(p), false).Reserve(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer turn.Release()
	return s.read(ctx, at)
}

// keep keeps what was read, and lets go of those that were asked for longest ago.
func (s *groups) keep(g *group) {
	for i := range g.rows {
		g.bytes += g.rows[i].Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.err != nil {
		delete(s.mu.all, g.at)
		return
	}
	g.place = s.mu.kept.PushFront(g)
	s.mu.held += g.bytes
	for s.mu.held > s.most && s.mu.kept.Len() > 1 {
		old := s.mu.kept.Remove(s.mu.kept.Back()).(*group)
		delete(s.mu.all, old.at)
		s.mu.held -= old.bytes
	}
}
