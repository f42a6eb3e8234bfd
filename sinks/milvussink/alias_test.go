package milvussink

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// aliases is what a Milvus of one database says of its collections and aliases, with the codes of its root coordinator. milvus-lite, which has others, is asked in integration/sinks.
type aliases struct {
	milvuspb.UnimplementedMilvusServiceServer
	address     string
	meanwhile   func() // done between the look for an alias and its making
	mu          sync.Mutex
	collections []string
	is          map[string]string // collections, by alias
}

func startAliases(t *testing.T) *aliases {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &aliases{address: "http://" + l.Addr().String(), collections: []string{"one", "two"}, is: map[string]string{}}
	s, ended := grpc.NewServer(), make(chan struct{})
	milvuspb.RegisterMilvusServiceServer(s, a)
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-ended
	})
	return a
}

func said(code int32, reason string) *commonpb.Status {
	return &commonpb.Status{Code: code, Reason: reason}
}

// refuses is what both requests are refused for; nil if nothing is.
func (a *aliases) refuses(db, collection, alias string) *commonpb.Status {
	there := " " + strings.Join(a.collections, " ") + " "
	switch {
	case db != "d":
		return said(800, "database not found")
	case strings.Contains(alias, "."):
		return said(1100, "invalid alias name")
	case strings.Contains(there, " "+alias+" "):
		return said(1601, "alias and collection name conflict")
	case !strings.Contains(there, " "+collection+" "):
		return said(100, "collection not found")
	}
	return nil
}

func (a *aliases) AlterAlias(_ context.Context, r *milvuspb.AlterAliasRequest) (*commonpb.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if no := a.refuses(r.GetDbName(), r.GetCollectionName(), r.GetAlias()); no != nil {
		return no, nil
	}
	if a.is[r.GetAlias()] == "" {
		if a.meanwhile != nil {
			defer a.meanwhile()
		}
		return said(1600, "alias not found"), nil
	}
	a.is[r.GetAlias()] = r.GetCollectionName()
	return said(0, ""), nil
}

func (a *aliases) CreateAlias(_ context.Context, r *milvuspb.CreateAliasRequest) (*commonpb.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	no := a.refuses(r.GetDbName(), r.GetCollectionName(), r.GetAlias())
	switch is := a.is[r.GetAlias()]; {
	case no != nil:
		return no, nil
	case is != "" && is != r.GetCollectionName():
		return said(1602, "alias already exist"), nil
	}
	a.is[r.GetAlias()] = r.GetCollectionName()
	return said(0, ""), nil
}

func (a *aliases) DescribeCollection(_ context.Context, r *milvuspb.DescribeCollectionRequest) (*milvuspb.DescribeCollectionResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := r.GetCollectionName()
	if of := a.is[name]; of != "" {
		return &milvuspb.DescribeCollectionResponse{Schema: &schemapb.CollectionSchema{Name: of}, Aliases: []string{name}}, nil
	}
	if no := a.refuses(r.GetDbName(), name, "none"); no != nil {
		return &milvuspb.DescribeCollectionResponse{Status: no}, nil
	}
	return &milvuspb.DescribeCollectionResponse{Schema: &schemapb.CollectionSchema{Name: name}}, nil
}

func aliasOf(a *aliases, collection string) Config {
	c := NewDefaultConfig()
	c.URL, c.Database, c.Collection = a.address, "d", collection
	return c
}

func TestAnAliasIsPointedBySeveralAtOnceAndAgain(t *testing.T) {
	a := startAliases(t)
	for i, collections := range [][]string{{"one", "one", "one", "one"}, {"one"}, {"two", "two", "two"}, {"one", "two", "one", "two"}, {"one"}} {
		if i == 3 {
			delete(a.is, "texts") // so that they meet where there is none
		}
		var all errgroup.Group
		for _, collection := range collections {
			all.Go(func() error { return PointAlias(t.Context(), aliasOf(a, collection), "texts") })
		}
		if err := all.Wait(); err != nil || i != 3 && a.is["texts"] != collections[0] {
			t.Errorf("texts shows %q, want %v; %v", a.is["texts"], collections, err)
		}
	}
}

// TestAnAliasThatIsMadeMeanwhileIsAltered has another command make it between the two requests.
func TestAnAliasThatIsMadeMeanwhileIsAltered(t *testing.T) {
	a := startAliases(t)
	a.meanwhile = func() { a.is["texts"] = "one" }
	if err := PointAlias(t.Context(), aliasOf(a, "two"), "texts"); err != nil || a.is["texts"] != "two" {
		t.Errorf("texts shows %q; %v", a.is["texts"], err)
	}
}

func TestAnAliasThatCannotBePointedStays(t *testing.T) {
	a := startAliases(t)
	a.is["texts"] = "one"
	for _, c := range []struct{ name, want, collection, alias, database string }{
		{"its new collection is not there", "collection not found (code 100) (try 1)", "three", "texts", "d"},
		{"the name is a collection's", "two is a collection, and no alias: give the cut-over another name (try 1)", "one", "two", "d"},
		{"a name that the server does not take", "invalid alias name (code 1100) (try 1)", "one", "lake.current", "d"},
		{"another database", "database not found (code 800) (try 1)", "one", "texts", ""},
	} {
		cfg := aliasOf(a, c.collection)
		cfg.Database = c.database
		if err := PointAlias(t.Context(), cfg, c.alias); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "alias "+c.alias) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if fmt.Sprint(a.is) != "map[texts:one]" {
			t.Errorf("%s: the aliases are %v", c.name, a.is)
		}
	}
}
