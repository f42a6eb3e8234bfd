package backfill

import (
	"context"

	"golang.org/x/sync/errgroup"

	"vecmill/internal/backfill/plan"
)

// given is what a Source gives at a time.
type given struct {
	items []plan.Item
	state any
}

// reader reads one file, and sends what it has in pieces. send blocks while the piece before is not given, and fails when nothing is wanted any more.
type reader[P any] func(ctx context.Context, send func(P) error) error

// ahead reads several files at once, and gives their pieces in the order of the files, and of each file in the order that they were sent, one at a time. list begins the files in turn; begin blocks while atOnce of them
// are read or wait to be given. Of a file that waits two pieces are held at most. The first error ends it, whatever was sent and is not given yet.
func ahead[P any](ctx context.Context, atOnce int, list func(ctx context.Context, begin func(reader[P]) error) error, give func(P) error) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan chan P, max(atOnce-1, 0)) // files that are read ahead of the one that is given
	g.Go(func() error {
		defer close(queue)
		return list(ctx, func(read reader[P]) error {
			pieces := make(chan P, 1) // one waits while the one before it is given
			select {
			case queue <- pieces:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				err := read(ctx, func(p P) error {
					select {
					case pieces <- p:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				if err == nil {
					close(pieces) // of one that fails it stays open: what follows would be taken for the next file's
				}
				return err
			})
			return nil
		})
	})
	g.Go(func() error {
		for pieces := range queue {
			if err := pass(ctx, pieces, give); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// pass gives a file's pieces.
func pass[P any](ctx context.Context, pieces <-chan P, give func(P) error) error {
	for {
		select {
		case p, ok := <-pieces:
			if !ok {
				return nil
			}
			if err := give(p); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
