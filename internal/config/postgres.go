package config

import (
	"fmt"
	"time"
)

// Postgres is a table of PostgreSQL with pgvector.
type Postgres struct {
	URL         Secret   `yaml:"url" doc:"postgres://user@host:port/database, or key=value words; what is left out is taken from the PG* variables of the environment, as psql does"`
	URLFile     string   `yaml:"url_file" doc:"file with the url, for one with a password"`
	Table       string   `yaml:"table" doc:"table or schema.table, lower case; it is made if it is not there, with <table>_sources, _ranges and _meta beside it"`
	Dimension   int      `yaml:"dimension" doc:"numbers of a vector, as the model gives them; needed by heads that give vectors"`
	Metric      string   `yaml:"metric" doc:"HNSW index for this distance: cosine, l2 or ip; none makes no index"`
	BatchRows   int      `yaml:"batch_rows" doc:"rows of a source that are written in one transaction"`
	BatchAge    Duration `yaml:"batch_age" doc:"or when the first of them is this old: how long rows may take to appear"`
	MaxBuffered Bytes    `yaml:"max_buffered" doc:"rows buffered over all sources"`
	Connections int      `yaml:"connections" doc:"connections to the server, at most"`
}

func (o *Postgres) fill() {
	set(&o.Metric, "none")
	set(&o.BatchRows, 5000)
	set(&o.BatchAge, seconds(5))
	set(&o.MaxBuffered, 128<<20)
	set(&o.Connections, 4)
}

func (o *Postgres) buffered() Bytes { return o.MaxBuffered }

func (o *Postgres) validate(f *faults, at string) {
	if o.Table == "" {
		f.add(at+".table", "missing")
	}
	f.oneOf(at+".metric", o.Metric, "none", "cosine", "l2", "ip")
	if o.Dimension < 0 || o.BatchRows < 1 || o.BatchAge < Duration(time.Millisecond) || o.MaxBuffered < 1 || o.Connections < 1 {
		f.add(at, "batch_rows, batch_age, max_buffered and connections must be positive, and dimension not negative")
	}
}

func (o *Postgres) readSecrets() (err error) {
	if o.URL, err = readSecret(o.URL, o.URLFile); err != nil {
		return fmt.Errorf("url_file: %w", err)
	}
	return nil
}
