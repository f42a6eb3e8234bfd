package qdrantsink

import (
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"vecmill/schemas"
	"vecmill/sinks/qdrantsink/qdranttest"
)

// aliasOf is what a cut-over knows of an output: not the model.
func aliasOf(f *qdranttest.Fake, collection string) Config {
	c := NewDefaultConfig()
	c.URL, c.APIKey, c.Collection = "http://"+f.Addr, f.APIKey, collection
	return c
}

func TestAnAliasIsPointedBySeveralAtOnceAndAgain(t *testing.T) {
	f := qdranttest.Start(t)
	f.APIKey = "right"
	f.Held.Collections["one"], f.Held.Collections["two"] = &qdranttest.Collection{}, &qdranttest.Collection{}
	for _, collection := range []string{"one", "one", "two"} {
		f.Held.Away = 2 // the server is away first
		var all errgroup.Group
		for range 4 {
			all.Go(func() error { return PointAlias(t.Context(), aliasOf(f, collection), "texts") })
		}
		if err := all.Wait(); err != nil || f.Held.Aliases["texts"] != collection {
			t.Errorf("texts shows %q, want %s; %v", f.Held.Aliases["texts"], collection, err)
		}
	}
}

func TestAnAliasThatCannotBePointedStays(t *testing.T) {
	f := qdranttest.Start(t)
	f.APIKey = "right"
	f.Held.Collections["one"], f.Held.Aliases["texts"] = &qdranttest.Collection{}, "one"
	for _, c := range []struct{ name, want, collection, alias, key string }{
		{"its new collection is not there", "there is no collection two that it could show (try 1)", "two", "texts", "right"},
		{"an alias is no collection", "there is no collection texts that it could show (try 1)", "texts", "texts", "right"},
		{"the name is a collection's", "one is a collection, and no alias: give the cut-over another name (try 1)", "one", "one", "right"},
		{"a wrong key", "Invalid API key", "one", "texts", "wrong"},
	} {
		cfg := aliasOf(f, c.collection)
		cfg.APIKey = c.key
		err := PointAlias(t.Context(), cfg, c.alias)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "alias "+c.alias) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if class, known := schemas.PlaceFaultOf(err); known && class == schemas.PlaceUnreachable {
			t.Errorf("%s is called unreachable: %v", c.name, err)
		}
		if len(f.Held.Aliases) != 1 || f.Held.Aliases["texts"] != "one" {
			t.Errorf("%s: the aliases are %v", c.name, f.Held.Aliases)
		}
	}
}
