package parquetsink

import (
	"testing"
	"time"

	"vecmill/internal/growth"
	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// Each partition has an open file and a timer of its own, and while memory is short each write asks which file to close: neither may look at all files while there is nothing to do.
func TestOpenFilesAreLookedAtWhenOneIsToBeClosed(t *testing.T) {
	growth.Check(t, 20, 20_000, func(sources int) func() {
		cfg := NewDefaultConfig()
		cfg.Store, cfg.Tasks, cfg.RollAge, cfg.MaxBuffered = sinktest.NewMemStore(), []schemas.Task{schemas.TaskEmbedding}, 1000*time.Hour, 1<<40
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i := range sources {
			l := newLane(schemas.SourceID{Pipeline: "p", Topic: "t", Partition: i}, place{})
			s.mu.lanes[l.src] = l
			s.appendLocked(l, entry{r: schemas.Range{Source: l.src, Span: schemas.Span{First: 0, Next: 1}}, bytes: 100})
		}
		return func() {
			s.rollAged()
			s.mu.Lock()
			s.pressLocked(100)
			s.mu.Unlock()
			if s.mu.filling.Len() != sources {
				t.Fatalf("%d files are open, want %d", s.mu.filling.Len(), sources)
			}
		}
	})
}
