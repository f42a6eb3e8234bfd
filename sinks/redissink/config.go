package redissink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/vectorindex"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	URL         string        // redis://user:password@host:port/db, or rediss:// for TLS
	TLS         *tls.Config   // of rediss://; nil for the default
	Prefix      string        // of every key
	Columns     []string      // stored of each row; none for all. The identity (needed) is always stored
	TTL         time.Duration // of a row since it was written; 0 for ever
	ModelDigest string        // the one whose rows the prefix takes
	Index       Index         // of the vectors, for servers that have one
	Deliver     deliver.Config
}

// NewDefaultConfig is a configuration that lacks only URL and ModelDigest.
func NewDefaultConfig() Config {
	return Config{Prefix: "vecmill", Index: Index{Algorithm: None, Vectors: vectorindex.Spec{Metric: vectorindex.Cosine}}, Deliver: deliver.NewDefaultConfig()}
}

// needed are the columns that the scripts compare.
func needed() []string { return []string{"row_id", "head", "topic", "partition", "offset"} }

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	if c.Prefix == "" || strings.ContainsAny(c.Prefix, " :{}") {
		errs = append(errs, fmt.Errorf("prefix: %q is empty or has a space, a colon or a brace", c.Prefix))
	}
	if c.TTL < 0 || c.TTL > 0 && c.TTL < time.Millisecond {
		errs = append(errs, errors.New("ttl: must be at least 1ms, or 0 for ever"))
	}
	if c.ModelDigest == "" {
		errs = append(errs, errors.New("model_digest: missing"))
	}
	var all []string
	for _, col := range schemas.Columns(schemas.Tasks()...) {
		all = append(all, col.Name)
	}
	for _, name := range c.Columns {
		if !slices.Contains(all, name) {
			errs = append(errs, fmt.Errorf("columns: %q is not a column of docs/rows.md", name))
		}
	}
	return errors.Join(append(errs, c.Index.validate(c))...)
}

// takes says whether a column is stored.
func (c *Config) takes(column string) bool {
	return len(c.Columns) == 0 || slices.Contains(c.Columns, column) || slices.Contains(needed(), column)
}
