package opensearchsink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"vecmill/sinks/rest"
	"vecmill/sinks/vectorindex"
)

// aliasName is what stands for one alias: no pattern, no list, and nothing of the server's own.
var aliasName = regexp.MustCompile(`^[^\\/*?"<>| ,#:_+.-][^\\/*?"<>| ,#:]*$`)

// PointAlias has an alias show the index and no other one, in one request: who reads by it sees what it showed before, or this one. It may be called again, and by several at once. Of c, what the
// index takes may be missing.
func PointAlias(ctx context.Context, c Config, alias string) error {
	if !aliasName.MatchString(alias) {
		return fmt.Errorf("opensearch: %q is no name of an alias: letters, digits, - and _, and neither of these first", alias)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.Deliver.Name = fmt.Sprintf("opensearch %s, alias %s", c.URL, alias)
	s := &store{cfg: c, client: rest.Client(c.Transport)}
	final := func(err error) bool { return lasting(err) && !isMissing(err) } // an index that showed it may be gone since it was looked at
	return errors.Join(c.Deliver.Ask(ctx, final, func(ctx context.Context) error { return s.show(ctx, alias) }), s.Close())
}

// show names the indexes that have the alias, which are closed ones, too: a pattern would pass those over, and ask for a right to all others.
func (s *store) show(ctx context.Context, alias string) error {
	ours := []string{s.cfg.Name}
	has, err := s.having(ctx, alias)
	if err != nil || slices.Equal(has, ours) {
		return err
	}
	var actions []any
	for _, index := range has {
		if index != s.cfg.Name {
			actions = append(actions, action("remove", index, alias))
		}
	}
	actions = append(actions, action("add", s.cfg.Name, alias))
	if err := s.askServer(ctx, http.MethodPost, "/_aliases", map[string]any{"actions": actions}, nil); err != nil {
		return err
	}
	if has, err = s.having(ctx, alias); err == nil && !slices.Equal(has, ours) {
		return fmt.Errorf("it shows %s: another command moves it, too", strings.Join(has, ", "))
	}
	return err
}

func action(what, index, alias string) any {
	return map[string]any{what: map[string]any{"index": index, "alias": alias}}
}

// having are the indexes that have an alias, in order.
func (s *store) having(ctx context.Context, alias string) ([]string, error) {
	var is map[string]struct{ Aliases map[string]any }
	if err := s.askServer(ctx, http.MethodGet, "/"+url.PathEscape(alias)+"/_alias", nil, &is); err != nil && !isMissing(err) {
		return nil, err
	}
	for _, index := range is {
		if _, ok := index.Aliases[alias]; !ok {
			return nil, vectorindex.Taken(alias, "an index")
		}
	}
	return slices.Sorted(maps.Keys(is)), nil
}

func isMissing(err error) bool {
	e, ok := errors.AsType[*rest.Error](err)
	return ok && e.Code == http.StatusNotFound
}
