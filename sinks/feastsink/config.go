package feastsink

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL       string            // of the feature server
	Token     string            // bearer token; "" for none
	Transport http.RoundTripper // nil for the default
	Source    string            // the push source
	To        string            // online, offline or online_and_offline
	Columns   []string          // pushed of each row
	Heads     []string          // whose rows are pushed; none for all
	Deliver   deliver.Config
}

// Targets are the stores that Feast knows.
func Targets() []string { return []string{"online", "offline", "online_and_offline"} }

// NewDefaultConfig is a configuration that lacks only URL and Source.
func NewDefaultConfig() Config {
	return Config{To: "online", Columns: DefaultColumns(), Deliver: deliver.NewDefaultConfig()}
}

// DefaultColumns are what a view of vectors needs, and what says where they come from.
func DefaultColumns() []string {
	return []string{"ref_id", "created_at", "row_id", "model_digest", "vector"}
}

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		errs = append(errs, errors.New("url: not https://host:port"))
	}
	if c.Source == "" {
		errs = append(errs, errors.New("source: missing; the name of a push source"))
	}
	if !slices.Contains(Targets(), c.To) {
		errs = append(errs, fmt.Errorf("to: %q is not one of online, offline, online_and_offline", c.To))
	}
	if len(c.Columns) == 0 {
		errs = append(errs, errors.New("columns: missing; the keys, the timestamp and the features of the source's views"))
	}
	all := columns()
	for _, name := range c.Columns {
		if _, ok := all[name]; !ok {
			errs = append(errs, fmt.Errorf("columns: %q is not a column of docs/rows.md", name))
		}
	}
	return errors.Join(errs...)
}

// columns are all of docs/rows.md.
func columns() map[string]schemas.ColumnType {
	out := map[string]schemas.ColumnType{}
	for _, c := range schemas.Columns(schemas.Tasks()...) {
		out[c.Name] = c.Type
	}
	return out
}
