package parquetsink

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks/arrowfile"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/parquetfile"
)

// Config is what a sink is made of. Start from NewDefaultConfig.
type Config struct {
	Store  objectstore.Store // where the files go
	Prefix string            // first part of every name; "" for none
	Layout Layout            // of the names; the same for every writer of a pipeline, for ever
	Format Format            // of the files; so is this
	Tasks  []schemas.Task    // tasks whose rows are written: they decide the schema

	// Single leaves the column of vectors in half precision out of files that have none: no head of the pipeline gives any, and readers that know no such numbers, as Spark 4, read the files.
	Single bool

	RollBytes int64         // a file is closed when it is estimated to have this many encoded bytes
	RollRows  int           // or this many rows
	RollAge   time.Duration // or when its first range has waited this long

	MaxBuffered int64 // bytes of rows held in memory over all sources, estimated; Write blocks beyond it
	Uploads     int   // files that are encoded and uploaded at one time; each holds its encoded bytes besides

	Compression Compression // of files above 1 MB; smaller ones with zstd are written with snappy, or lz4 where that is not of the format
	Level       int         // Parquet: zstd level 1-22; 0 is the codec's default. Levels above 2 cost memory: 3 MB a page at 3, 30 MB at 7

	Retry      retry.Policy  // for each upload and each look at the store
	PutTimeout time.Duration // for one try

	Writer   string            // who writes, for people who read the metadata: a host or pod name
	Metadata map[string]string // for every file: model_digest and the like; keys of lower-case letters, digits, - and _

	// OtherModel is told, when a source is resumed, of the last file of its chain if that has another model_digest in its metadata; nil for nobody. Files of both models are in the chain then, and each says of which it is.
	OtherModel func(last FileInfo)

	Observer Observer // told of every file; nil for none
}

// Compression is the codec of all columns.
type Compression = parquetfile.Compression

// The codecs.
const (
	Zstd   = parquetfile.Zstd
	Snappy = parquetfile.Snappy         // of Parquet
	LZ4    = Compression(arrowfile.LZ4) // of streams
	None   = parquetfile.None
)

// NewDefaultConfig is a configuration that lacks only Store, Prefix and Tasks.
func NewDefaultConfig() Config {
	return Config{
		Layout: Plain, Format: Parquet,
		RollBytes: 128 << 20, RollRows: 1_000_000, RollAge: 5 * time.Minute,
		MaxBuffered: 512 << 20, Uploads: 2,
		Compression: Zstd, Level: 1,
		Retry: retry.Patient(), PutTimeout: 2 * time.Minute,
	}
}

// maxUserMetadata keeps the operator's metadata small enough for the object's 2 KB beside our own.
const maxUserMetadata = 700

// Validate lists every fault with the field's name.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if c.Store == nil {
		bad("store", "missing")
	}
	if c.Prefix != "" && (path.Clean(c.Prefix) != c.Prefix || strings.HasPrefix(c.Prefix, "/") || strings.HasPrefix(c.Prefix, "..")) {
		bad("prefix", "%q is not a clean relative path", c.Prefix)
	}
	if len(c.Tasks) == 0 {
		bad("tasks", "missing; rows of which tasks are written?")
	}
	for _, t := range c.Tasks {
		if schemas.PayloadColumns(t) == nil {
			bad("tasks", "%q is not a task with columns", t)
		}
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
		{"put_timeout", int64(c.PutTimeout)},
	} {
		if n.n <= 0 {
			bad(n.field, "must be more than 0")
		}
	}
	if !slices.Contains(Layouts(), c.Layout) {
		bad("layout", "%q is not one of plain, hive", c.Layout)
	}
	if !slices.Contains([]Format{Parquet, ArrowStream}, c.Format) {
		bad("format", "%q is not one of parquet, arrow", c.Format)
	}
	if known := c.Format.compressions(); !slices.Contains(known, c.Compression) {
		bad("compression", "%q is not one of %v", c.Compression, known)
	}
	if c.Level < 0 || c.Level > 22 {
		bad("level", "%d is not in 0-22", c.Level)
	}
	size := 0
	for k, v := range c.Metadata {
		size += len(k) + len(v) + len(metaPrefix)
		if !validMetadata(k, v) {
			bad("metadata", "%q: keys are lower-case letters, digits, - and _, values printable ASCII", k)
		}
	}
	if size > maxUserMetadata {
		bad("metadata", "%d bytes, at most %d", size, maxUserMetadata)
	}
	if !validMetadata("writer", c.Writer) {
		bad("writer", "%q is not printable ASCII", c.Writer)
	}
	return errors.Join(errs...)
}

func validMetadata(k, v string) bool {
	key := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' }
	value := func(r rune) bool { return r >= ' ' && r <= '~' }
	return k != "" && strings.IndexFunc(k, func(r rune) bool { return !key(r) }) < 0 &&
		strings.IndexFunc(v, func(r rune) bool { return !value(r) }) < 0
}
