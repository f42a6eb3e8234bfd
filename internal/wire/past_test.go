package wire

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
	"vecmill/sinks/sinktest"
)

// chains are two pipelines that write what a test says.
type chains struct {
	*Reembed
	sinks map[string]*parquetsink.Sink
}

func newChains(t *testing.T) *chains {
	t.Helper()
	dir := t.TempDir()
	store, err := dirstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	pipeline := func(name string) *config.Pipeline {
		return &config.Pipeline{Name: name, Outputs: []config.Output{{Parquet: &config.Parquet{URL: "file://" + dir, Layout: "plain"}}}}
	}
	conf := config.NewDefaultConfig()
	c := &chains{&Reembed{Old: pipeline("old"), New: pipeline("new"), auditor: &auditor{c: conf, stores: &stores{cfg: conf}}}, map[string]*parquetsink.Sink{}}
	for _, name := range []string{"old", "new"} {
		cfg := parquetsink.NewDefaultConfig()
		cfg.Store, cfg.Tasks = store, schemas.Tasks()
		if c.sinks[name], err = parquetsink.New(cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.sinks[name].Close(context.WithoutCancel(t.Context())) })
	}
	return c
}

// write makes a file of a range that has rows at all other offsets, each changed.
func (c *chains) write(t *testing.T, r schemas.Range, change ...func(row *schemas.Row)) {
	t.Helper()
	s := c.sinks[r.Source.Pipeline]
	if _, _, err := s.Resume(t.Context(), r.Source, r.First); err != nil {
		t.Fatal(err)
	}
	var rows []schemas.Row
	none := stretchesOf(r.Span, slices.Concat(r.Dead, r.Skipped, r.Lost)...)
	for o := r.First; o < r.Next; o++ {
		if !none.has(o) {
			row := sinktest.Row(r.Source, o, 0)
			for _, f := range change {
				f(&row)
			}
			rows = append(rows, row)
		}
	}
	err := s.Write(t.Context(), r, rows, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if err == nil {
		err = s.Flush(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// statted counts what a store is asked for by name.
type statted struct {
	objectstore.Store
	stats atomic.Int64
}

func (s *statted) Stat(ctx context.Context, name string) (objectstore.Info, error) {
	s.stats.Add(1)
	return s.Store.Stat(ctx, name)
}

// TestFilesAreNotLookedAtAgain has a chain of many files, of which the last has no rows.
func TestFilesAreNotLookedAtAgain(t *testing.T) {
	c := newChains(t)
	src := schemas.SourceID{Pipeline: "old", Topic: "refs"}
	const files = 30
	for i := range int64(files) {
		r := schemas.Range{Source: src, Span: schemas.Span{First: 2 * i, Next: 2*i + 2}}
		if i == files-1 {
			r.Skipped = []schemas.Span{r.Span}
		}
		c.write(t, r)
	}
	out, err := pastOf(t.Context(), c.auditor.stores, c.Old)
	if err != nil {
		t.Fatal(err)
	}
	p := out.(*pastFiles)
	store := &statted{Store: p.store}
	p.store = store
	looks := func(want int64, do func() error) {
		t.Helper()
		before := store.stats.Load()
		if err := do(); err != nil {
			t.Error(err)
		}
		if n := store.stats.Load() - before; n > want {
			t.Errorf("%d looks, want %d", n, want)
		}
	}
	span := func(next int64) func() error {
		return func() error {
			s, known, err := p.span(t.Context(), src)
			if err == nil && (!known || s != schemas.Span{Next: next}) {
				err = fmt.Errorf("it has %v, %v", s, known)
			}
			return err
		}
	}
	looks(2, func() error {
		_, err := p.madeBy(t.Context(), "old")
		return err
	})
	looks(files, span(2*files))
	looks(1, span(2*files))
	c.write(t, schemas.Range{Source: src, Span: schemas.Span{First: 2 * files, Next: 2*files + 1}})
	looks(2, span(2*files+1))
}
