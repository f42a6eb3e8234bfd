package opensearchsink

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// aliases is what a node says of its indexes and their aliases: texts, unless another is made. The real one is asked in integration/sinks.
type aliases struct {
	mu        sync.Mutex
	url       string
	of        map[string][]string // aliases, by index
	meanwhile func()              // done once before indexes and aliases change
}

func startAliases(t *testing.T) *aliases {
	a := &aliases{of: map[string][]string{"one": {"texts", "other"}, "two": {"other"}}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *aliases) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fail := func(code int, kind string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"error":{"type":%q},"status":%d}`, kind, code)
	}
	if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
		fail(http.StatusUnauthorized, "security_exception")
		return
	}
	if name, ok := strings.CutSuffix(r.URL.Path, "/_alias"); ok && r.Method == http.MethodGet {
		out := map[string]any{}
		for index, has := range a.of {
			if "/"+index == name || slices.Contains(has, name[1:]) {
				each := map[string]any{}
				for _, alias := range has {
					each[alias] = struct{}{}
				}
				out[index] = map[string]any{"aliases": each}
			}
		}
		if len(out) == 0 {
			fail(http.StatusNotFound, "index_not_found_exception")
			return
		}
		_ = json.NewEncoder(w).Encode(out) // to a test
		return
	}
	if a.meanwhile != nil {
		a.meanwhile()
		a.meanwhile = nil
	}
	var do struct {
		Actions []map[string]struct{ Index, Alias string }
	}
	if r.Method != http.MethodPost || r.URL.Path != "/_aliases" || json.NewDecoder(r.Body).Decode(&do) != nil {
		fail(http.StatusBadRequest, "no such request")
		return
	}
	for _, act := range do.Actions { // all or none
		for _, x := range act {
			if a.of[x.Index] == nil {
				fail(http.StatusNotFound, "index_not_found_exception")
				return
			}
			if a.of[x.Alias] != nil {
				fail(http.StatusBadRequest, "invalid_alias_name_exception")
				return
			}
		}
	}
	for _, act := range do.Actions {
		for what, x := range act {
			a.of[x.Index] = slices.DeleteFunc(a.of[x.Index], func(has string) bool { return has == x.Alias })
			if what == "add" {
				a.of[x.Index] = append(a.of[x.Index], x.Alias)
			}
		}
	}
	fmt.Fprint(w, `{"acknowledged":true}`)
}

func aliasOf(a *aliases, index string) Config {
	c := NewDefaultConfig()
	c.URL, c.User, c.Password, c.Name = a.url+"/", "u", "p", index
	return c
}

// TestAnAliasShowsOneIndex has other commands come between the look and the change.
func TestAnAliasShowsOneIndex(t *testing.T) {
	for _, c := range []struct {
		name, index, alias string
		meanwhile          func(a *aliases)
		want               string
	}{
		{name: "it is moved, and others stay", index: "two", alias: "texts", want: "map[one:[other] two:[other texts]]"},
		{name: "it is there", index: "one", alias: "texts", want: "map[one:[texts other] two:[other]]"},
		{name: "there is none yet", index: "two", alias: "new", want: "map[one:[texts other] two:[other new]]"},
		{name: "several have it", index: "two", alias: "other", want: "map[one:[texts] two:[other]]"},
		{
			name: "the same command was faster", index: "two", alias: "texts", want: "map[one:[other] two:[other texts]]",
			meanwhile: func(a *aliases) { a.of["one"], a.of["two"] = []string{"other"}, []string{"other", "texts"} },
		},
		{
			name: "another one has moved it elsewhere", index: "two", alias: "texts", want: "map[one:[other] three:[] two:[other texts]]",
			meanwhile: func(a *aliases) { a.of["one"], a.of["three"] = []string{"other"}, []string{"texts"} },
		},
		{
			name: "the old index is gone", index: "two", alias: "texts", want: "map[two:[other texts]]",
			meanwhile: func(a *aliases) { delete(a.of, "one") },
		},
	} {
		a := startAliases(t)
		if c.meanwhile != nil {
			a.meanwhile = func() { c.meanwhile(a) }
		}
		if err := PointAlias(t.Context(), aliasOf(a, c.index), c.alias); err != nil || fmt.Sprint(a.of) != c.want {
			t.Errorf("%s: %v, want %s; %v", c.name, a.of, c.want, err)
		}
	}
}

func TestAnAliasThatCannotBePointedStays(t *testing.T) {
	a := startAliases(t)
	for _, c := range []struct{ name, want, alias, password string }{
		{"the name is an index's", "one is an index, and no alias: give the cut-over another name (try 1)", "one", "p"},
		{"a pattern", `"t*" is no name of an alias`, "t*", "p"},
		{"a list", `"texts,other" is no name of an alias`, "texts,other", "p"},
		{"all", `"_all" is no name of an alias`, "_all", "p"},
		{"a wrong password", "401 Unauthorized", "texts", "wrong"},
	} {
		cfg := aliasOf(a, "two")
		cfg.Password = c.password
		if err := PointAlias(t.Context(), cfg, c.alias); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if fmt.Sprint(a.of) != "map[one:[texts other] two:[other]]" {
			t.Errorf("%s: the aliases are %v", c.name, a.of)
		}
	}
}
