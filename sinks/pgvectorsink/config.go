package pgvectorsink

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	DSN   string // postgres://user:password@host:port/database or key=value words; the PG* variables of the environment count as in psql
	Table string // table or schema.table, lower case

	Tasks       []schemas.Task // tasks whose rows are written: they decide the columns
	Dimension   int            // numbers of a vector; only looked at if a task gives vectors
	ModelDigest string         // the one whose rows the table takes
	Heads       string         // the heads' options in words of the caller, kept with each transaction for Reader.Works; may be empty

	Metric Metric // of the HNSW index; NoIndex makes none

	Look      bool        // a table that is there gets no index: whoever only looks does not stop those who write to it
	Unindexed func(error) // told why the index that audits alone read was not made; nil: nobody is told

	Deliver deliver.Config // a batch is one transaction; there is a connection for each that is under way
	Writer  string         // who writes, for people who read T_ranges
}

// Metric is the distance of an HNSW index.
type Metric string

// The metrics.
const (
	NoIndex Metric = "none"
	Cosine  Metric = "cosine"
	L2      Metric = "l2"
	Inner   Metric = "ip"
)

// NewDefaultConfig is a configuration that lacks only DSN, Table, Tasks, Dimension and ModelDigest.
func NewDefaultConfig() Config {
	d := deliver.NewDefaultConfig()
	d.OneSource, d.BatchRows, d.BatchBytes, d.BatchAge, d.MaxBuffered, d.Timeout = true, 5000, 64<<20, 5*time.Second, 128<<20, time.Minute
	return Config{Metric: NoIndex, Deliver: d}
}

// The names of side tables and indexes are the table's and up to 18 bytes; the server cuts names at 63.
var tableRE = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,40}\.)?[a-z_][a-z0-9_]{0,40}$`)

// The server's limits for an HNSW index.
const (
	mostIndexedHalf   = 4000
	mostIndexedSingle = 2000
	mostDimensions    = 16000
)

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if !tableRE.MatchString(c.Table) {
		bad("table", "%q is not a name or schema.name of lower-case letters, digits and underscores, 41 at most", c.Table)
	}
	if len(c.Tasks) == 0 {
		bad("tasks", "missing; rows of which tasks are written?")
	}
	for _, t := range c.Tasks {
		if schemas.PayloadColumns(t) == nil {
			bad("tasks", "%q is not a task with columns", t)
		}
	}
	if vectors := c.vectors(); vectors && (c.Dimension < 1 || c.Dimension > mostDimensions) {
		bad("dimension", "%d is not in 1-%d", c.Dimension, mostDimensions)
	} else if !vectors && c.Metric != NoIndex {
		bad("metric", "there is no vector to index in rows of %v", c.Tasks)
	}
	if c.Metric != NoIndex && c.Dimension > mostIndexedHalf {
		bad("metric", "vectors of more than %d numbers cannot be indexed", mostIndexedHalf)
	}
	if !slices.Contains([]Metric{NoIndex, Cosine, L2, Inner}, c.Metric) {
		bad("metric", "%q is not one of none, cosine, l2, ip", c.Metric)
	}
	if c.ModelDigest == "" {
		bad("model_digest", "missing")
	}
	return errors.Join(append(errs, c.Deliver.Validate())...)
}

// vectors says whether a task gives vectors.
func (c *Config) vectors() bool {
	return slices.Contains(c.Tasks, schemas.TaskEmbedding) || slices.Contains(c.Tasks, schemas.TaskXVector)
}
