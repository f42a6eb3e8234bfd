package icebergsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// Store is where data files are written.
type Store interface {
	objectstore.Store
	objectstore.Putter
}

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	Table Table // closed by the sink
	Name  string

	// Files opens the store of an URL and says what the object is called there.
	Files func(ctx context.Context, url string) (s Store, name string, err error)

	KeepDeleted bool // tombstones take no rows away, and are only noted in the snapshots

	Tasks       []schemas.Task // tasks whose rows are written: they decide the columns
	ModelDigest string         // the one whose rows the table takes

	RollBytes   int64         // what is buffered is committed when it is estimated to have this many encoded bytes
	RollRows    int           // or this many rows and spans of offsets without rows
	RollAge     time.Duration // or when its first range has waited this long
	MaxBuffered int64         // bytes of rows held in memory, estimated; Write blocks beyond it
	Uploads     int           // rolls that are encoded and uploaded at one time; each holds the bytes of a file besides

	Compression parquetfile.Compression // of files above 1 MB; smaller ones with zstd are written with snappy
	Level       int                     // zstd level 1-22; 0 is the codec's default

	Retry   retry.Policy  // for each commit, upload and look at the table
	Timeout time.Duration // for one try

	ID       string   // part of every file's name and every nonce, and unique to the sink; "" draws one
	Writer   string   // who writes, for people
	Heads    string   // options of the heads that the rows are of, as the snapshots tell them (Eras); "" if they are not to be told
	Observer Observer // told of every commit; nil for none
}

// NewDefaultConfig is a configuration that lacks only Table, Name, Files, Tasks and ModelDigest.
func NewDefaultConfig() Config {
	return Config{
		RollBytes: 128 << 20, RollRows: 1_000_000, RollAge: 5 * time.Minute, MaxBuffered: 512 << 20, Uploads: 2,
		Compression: parquetfile.Zstd, Level: 1, Retry: retry.Patient(), Timeout: 2 * time.Minute,
	}
}

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Table == nil || c.Files == nil {
		bad("table", "missing, or nothing opens its files")
	}
	if len(c.Tasks) == 0 {
		bad("tasks", "missing; rows of which tasks are written?")
	}
	for _, t := range c.Tasks {
		if schemas.PayloadColumns(t) == nil {
			bad("tasks", "%q is not a task with columns", t)
		}
	}
	if c.ModelDigest == "" {
		bad("model_digest", "missing")
	}
	for _, n := range []struct {
		field string
		n     int64
	}{
		{"roll_bytes", c.RollBytes},
		{"roll_rows", int64(c.RollRows)},
		{"roll_age", int64(c.RollAge)},
		{"max_buffered", c.MaxBuffered},
		{"uploads", int64(c.Uploads)},
		{"timeout", int64(c.Timeout)},
	} {
		if n.n <= 0 {
			bad(n.field, "must be more than 0")
		}
	}
	if !slices.Contains([]parquetfile.Compression{parquetfile.Zstd, parquetfile.Snappy, parquetfile.None}, c.Compression) {
		bad("compression", "%q is not one of zstd, snappy, none", c.Compression)
	}
	if c.Level < 0 || c.Level > 22 {
		bad("level", "%d is not in 0-22", c.Level)
	}
	return errors.Join(errs...)
}

// Reason is why what was buffered was committed. It is an enumeration, so that it can be a metric's label.
type Reason string

// The reasons.
const (
	RollBytes Reason = "bytes"    // there is enough for a file
	RollRows  Reason = "rows"     // there are enough rows
	RollAge   Reason = "age"      // the first range has waited long enough
	RollFlush Reason = "flush"    // Flush or Close: a drain, a rebalance, a stop
	RollPress Reason = "pressure" // a Write waits for memory
)

// Observer is told of commits, from the sink's goroutines, with no lock held. It must not block for long and must not call the sink.
type Observer interface {
	// Committed is called after each commit, before the done of its ranges.
	Committed(Committed)
}

// Committed tells of ranges that are in the table now.
type Committed struct {
	Added    []schemas.Range // by this sink
	Taken    []schemas.Range // that another writer had covered: another owner of the source is alive, or was
	Delta    Delta
	Reasons  []Reason      // of the rolls that went into it
	Tries    int           // of the commit
	Duration time.Duration // of the commit
}
