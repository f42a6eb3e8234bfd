package redissink

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"golang.org/x/sync/errgroup"
)

// registerAliases adds what the module says of aliases.
func (x *search) registerAliases(t *testing.T, m *miniredis.Miniredis) {
	t.Helper()
	x.aliases = map[string]string{}
	list := func(c *server.Peer, _ string, _ []string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		c.WriteStrings(slices.Sorted(maps.Keys(x.made)))
	}
	update := func(c *server.Peer, _ string, args []string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.made[args[1]] == nil {
			c.WriteError("Unknown index name (or name is an alias itself)")
			return
		}
		x.aliases[args[0]] = args[1]
		c.WriteOK()
	}
	for name, f := range map[string]server.Cmd{"FT._LIST": list, "FT.ALIASUPDATE": update} {
		if err := m.Server().Register(name, f); err != nil {
			t.Fatal(err)
		}
	}
}

// aliasOf is what a cut-over knows of an output: not the model.
func aliasOf(m *miniredis.Miniredis, prefix string) Config {
	c := NewDefaultConfig()
	c.URL, c.Prefix, c.Index.Vectors.Heads = "redis://"+m.Addr(), prefix, []string{"head", "half"}
	return c
}

func TestAliasesArePointedBySeveralAtOnceAndAgain(t *testing.T) {
	m, x := miniredis.RunT(t), &search{}
	x.register(t, m)
	x.registerAliases(t, m)
	for _, name := range []string{"one:head", "one:half", "two:head", "two:half"} {
		x.made[name] = []string{name}
	}
	for _, prefix := range []string{"one", "one", "two"} {
		var all errgroup.Group
		for range 4 {
			all.Go(func() error { return PointAliases(t.Context(), aliasOf(m, prefix), "texts") })
		}
		want := fmt.Sprintf("map[texts:half:%s:half texts:head:%[1]s:head]", prefix)
		if err := all.Wait(); err != nil || fmt.Sprint(x.aliases) != want {
			t.Errorf("%v, want %s; %v", x.aliases, want, err)
		}
	}
	if err := PointAliases(t.Context(), aliasOf(m, "one"), "two"); err == nil || !strings.Contains(err.Error(), "two:head is an index, and no alias: give the cut-over another name (try 1)") {
		t.Errorf("a name that an index has: %v", err)
	}
	if err := PointAliases(t.Context(), aliasOf(m, "three"), "texts"); err == nil || !strings.Contains(err.Error(), "there is no index three:head that texts:head could show (try 1)") {
		t.Errorf("an index that is not there: %v", err)
	}
	if got := fmt.Sprint(x.aliases); got != "map[texts:half:two:half texts:head:two:head]" {
		t.Errorf("what cannot be pointed leaves %s", got)
	}
}

// TestAServerWithoutAliasesSaysSo has one without the module, and one whose module has no aliases.
func TestAServerWithoutAliasesSaysSo(t *testing.T) {
	m := miniredis.RunT(t)
	if err := PointAliases(t.Context(), aliasOf(m, "one"), "texts"); !errors.Is(err, ErrNoAliases) {
		t.Errorf("without the module: %v", err)
	}
	if err := m.Server().Register("FT._LIST", func(c *server.Peer, _ string, _ []string) { c.WriteStrings([]string{"one:half", "one:head"}) }); err != nil {
		t.Fatal(err)
	}
	if err := PointAliases(t.Context(), aliasOf(m, "one"), "texts"); !errors.Is(err, ErrNoAliases) {
		t.Errorf("without aliases: %v", err)
	}
}
