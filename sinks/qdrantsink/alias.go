package qdrantsink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"vecmill/schemas"
	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// PointAlias has an alias show the collection, in one request: who reads by it sees the collection that it showed before, or this one. It may be called again, and by several at once. Of c, what
// the index takes may be missing.
func PointAlias(ctx context.Context, c Config, alias string) error {
	at, err := c.address()
	if err != nil {
		return fmt.Errorf("qdrant: %w", err)
	}
	db, err := qdrant.NewClient(at)
	if err != nil {
		return fmt.Errorf("qdrant: %w", err)
	}
	s := &store{cfg: c, db: db}
	c.Deliver.Name = fmt.Sprintf("qdrant %s:%d, alias %s", at.Host, at.Port, alias)
	final := func(err error) bool { return lasting(err) || rpc.Refused(err) }
	return errors.Join(c.Deliver.Ask(ctx, final, func(ctx context.Context) error { return s.show(ctx, alias) }), s.Close())
}

// show looks first: the server carries out one action after the other, so that an alias would be gone whose new collection is not there.
func (s *store) show(ctx context.Context, alias string) error {
	there, err := s.db.ListCollections(ctx) // aliases are not among them
	switch {
	case err != nil:
		return err
	case slices.Contains(there, alias):
		return vectorindex.Taken(alias, "a collection")
	case !slices.Contains(there, s.cfg.Collection):
		return schemas.OfPlace(schemas.PlaceLayout, fmt.Errorf("there is no collection %s that it could show", s.cfg.Collection))
	}
	return s.db.UpdateAliases(ctx, []*qdrant.AliasOperations{qdrant.NewAliasDelete(alias), qdrant.NewAliasCreate(alias, s.cfg.Collection)}) // to delete one that is not there is no fault
}
