package milvussink

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"vecmill/sinks/rpc"
	"vecmill/sinks/vectorindex"
)

// PointAlias has an alias show the collection, in one request, or in another one where there is no such alias yet: who reads by it sees the collection that it showed before, or this one. It may be
// called again, and by several at once. Of c, what the index takes may be missing.
func PointAlias(ctx context.Context, c Config, alias string) error {
	conn, address, err := rpc.Dial(c.URL, port, c.TLS)
	if err != nil {
		return fmt.Errorf("milvus: %w", err)
	}
	s := &store{cfg: c, conn: conn, db: milvuspb.NewMilvusServiceClient(conn)}
	c.Deliver.Name = fmt.Sprintf("milvus %s, alias %s", address, alias)
	final := func(err error) bool { return lasting(err) || refused(err) }
	return errors.Join(c.Deliver.Ask(ctx, final, func(ctx context.Context) error { return s.show(s.with(ctx), alias) }), s.Close())
}

// show makes the alias when it cannot be altered, whatever the server calls that: one that is there stays as it is. If another command has made it meanwhile, the next try alters it.
func (s *store) show(ctx context.Context, alias string) error {
	db, name := s.cfg.Database, s.cfg.Collection
	err := answered(s.db.AlterAlias(ctx, &milvuspb.AlterAliasRequest{DbName: db, CollectionName: name, Alias: alias}))
	if _, said := errors.AsType[fault](err); !said {
		return err
	}
	err = answered(s.db.CreateAlias(ctx, &milvuspb.CreateAliasRequest{DbName: db, CollectionName: name, Alias: alias}))
	if err == nil {
		return nil
	}
	is, e := s.db.DescribeCollection(ctx, &milvuspb.DescribeCollectionRequest{DbName: db, CollectionName: alias})
	if answered(is.GetStatus(), e) == nil && is.GetSchema().GetName() == alias && !slices.Contains(is.GetAliases(), alias) {
		return vectorindex.Taken(alias, "a collection")
	}
	return err
}
