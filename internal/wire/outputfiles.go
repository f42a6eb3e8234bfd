package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetsink"
)

// outputFiles are files of a pipeline's output, that are read for what it has.
type outputFiles struct {
	store objectstore.Store
	names []string
	lanes int                 // files that are read at once
	told  func(files, of int) // of each file that was read; nil: nobody
}

// read calls each for every file, by number, several at once, when all are known to have said what was deleted.
func (p *outputFiles) read(ctx context.Context, each func(ctx context.Context, n int, f notedFile, all *noted) error) error {
	var all noted
	files := make([]notedFile, len(p.names))
	if err := p.atOnce(ctx, func(ctx context.Context, n int) error {
		info, err := parquetsink.Stat(ctx, p.store, p.names[n])
		if err == nil {
			files[n] = all.note(&info)
		}
		return err
	}); err != nil {
		return err
	}
	var mu sync.Mutex
	read := 0
	return p.atOnce(ctx, func(ctx context.Context, n int) error {
		if err := each(ctx, n, files[n], &all); err != nil && !errors.Is(err, objectstore.ErrNotFound) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if read++; p.told != nil {
			p.told(read, len(p.names))
		}
		return nil
	})
}

// atOnce does something with each file, but for orphans that their chain's owner takes away meanwhile.
func (p *outputFiles) atOnce(ctx context.Context, do func(ctx context.Context, n int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(p.lanes, 1))
	for n, name := range p.names {
		g.Go(func() error {
			if err := do(ctx, n); err != nil && !errors.Is(err, objectstore.ErrNotFound) {
				return fmt.Errorf("reading %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}
