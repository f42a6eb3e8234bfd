package redissink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"vecmill/schemas"
	"vecmill/sinks/vectorindex"
)

// ErrNoAliases is what a server gives that has no aliases of indexes: without the module search, or with another one.
var ErrNoAliases = errors.New("it has no aliases of indexes")

// PointAliases has an alias of each head's index, named as if to were the prefix, show the index of this prefix: who searches by it finds rows of the one that it showed before, or of this one. Each
// alias is moved in one request. It may be called again, and by several at once. Of c, the columns and the model may be missing.
func PointAliases(ctx context.Context, c Config, to string) error {
	opts, err := connection(&c)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	s := &store{cfg: c, db: redis.NewClient(opts)}
	c.Deliver.Name = fmt.Sprintf("redis %s, aliases %s:*", opts.Addr, to)
	final := func(err error) bool {
		return schemas.Unfit(err) || lasting(err) || errors.Is(err, ErrNoAliases)
	}
	return errors.Join(c.Deliver.Ask(ctx, final, func(ctx context.Context) error { return s.show(ctx, to) }), s.Close())
}

// show looks first whether each alias can be pointed, so that heads are not parted. The server says of a name that an index has only that the alias is not the index's.
func (s *store) show(ctx context.Context, to string) error {
	there, err := s.db.FT_List(ctx).Result() // aliases are not among them
	if isUnknown(err) {
		return ErrNoAliases
	}
	if err != nil {
		return err
	}
	for _, head := range s.cfg.Index.Vectors.Heads {
		alias, index := IndexName(to, head), IndexName(s.cfg.Prefix, head)
		switch {
		case slices.Contains(there, alias):
			return vectorindex.Taken(alias, "an index")
		case !slices.Contains(there, index):
			return schemas.OfPlace(schemas.PlaceLayout, fmt.Errorf("there is no index %s that %s could show", index, alias))
		}
	}
	for _, head := range s.cfg.Index.Vectors.Heads {
		err := s.db.FTAliasUpdate(ctx, IndexName(s.cfg.Prefix, head), IndexName(to, head)).Err()
		if isUnknown(err) {
			return ErrNoAliases
		}
		if err != nil {
			return fmt.Errorf("pointing %s: %w", IndexName(to, head), err)
		}
	}
	return nil
}
