package deliver

import (
	"errors"
	"fmt"
	"time"

	"vecmill/internal/retry"
)

// Config is how batches are made and repeated. Start from NewDefaultConfig.
type Config struct {
	Name string // what the store is called in errors, such as "redis 127.0.0.1:6379"

	BatchRows  int           // items of a batch, at most; one record's rows go together where the store keeps progress
	BatchBytes int64         // estimated bytes of a batch, at most, unless one record has more
	BatchAge   time.Duration // how long the first of them may wait for company
	InFlight   int           // batches under way at once, each of other sources (D1)
	OneSource  bool          // a batch takes one source's ranges, for a store whose transactions lock a source; its rows and bytes alone then fill it

	MaxBuffered int64 // bytes of rows held in memory over all sources, estimated; Write blocks beyond it

	Retry   retry.Policy  // for each batch
	Timeout time.Duration // for one try
}

// NewDefaultConfig is a configuration that lacks only Name.
func NewDefaultConfig() Config {
	return Config{
		BatchRows: 500, BatchBytes: 8 << 20, BatchAge: 500 * time.Millisecond, InFlight: 4, MaxBuffered: 64 << 20,
		Retry: retry.Patient(), Timeout: 30 * time.Second,
	}
}

// MaxWait is the longest wait that a store can ask for with Later.
const MaxWait = 5 * time.Minute

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	for _, n := range []struct {
		field string
		n     int64
	}{
		{"batch_rows", int64(c.BatchRows)},
		{"batch_bytes", c.BatchBytes},
		{"batch_age", int64(c.BatchAge)},
		{"in_flight", int64(c.InFlight)},
		{"max_buffered", c.MaxBuffered},
		{"timeout", int64(c.Timeout)},
		{"retry.attempts", int64(c.Retry.Attempts)},
	} {
		if n.n <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be more than 0", n.field))
		}
	}
	return errors.Join(errs...)
}
