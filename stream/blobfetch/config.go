package blobfetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/internal/retry"
)

// Config says what may be fetched, and how patiently. The zero value of an allow-list allows nothing.
type Config struct {
	S3 *minio.Client // nil means that there is no store. Its MaxRetries should be 1: retries are this package's

	Buckets           []string // "bucket" or "bucket/prefix"; "*" allows all
	Hosts             []string // "host", "host:port", "*.domain" or "*"; "http://host" allows plain http for it too
	AllowPrivateHosts bool     // let hosts be at private, loopback and link-local addresses
	FileRoots         []string // absolute directories

	MaxObjectBytes int64         // of the payload: the object, or the range asked for
	Timeout        time.Duration // an attempt without any progress ends after this
	MaxDuration    time.Duration // an attempt's body is read within this
	Retry          retry.Policy  // of transient faults
	Patience       int           // tries while the store as a whole is away or throttles, if they are more than Retry's
	TrustETag      bool          // an ETag that looks like an MD5 is the MD5, except with KMS or customer keys

	TLS      *tls.Config                                                  // for https hosts; nil means the system's authorities
	LookupIP func(ctx context.Context, host string) ([]netip.Addr, error) // nil means the system's resolver
}

// NewDefaultConfig allows nothing.
func NewDefaultConfig() Config {
	return Config{MaxObjectBytes: 256 << 20, Timeout: 30 * time.Second, MaxDuration: 15 * time.Minute, Retry: retry.Default(), Patience: retry.Patient().Attempts, TrustETag: true}
}

// Validate lists every fault.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for i, b := range c.Buckets {
		check(b != "" && !strings.HasPrefix(b, "/") && !strings.Contains(b, "://"), "buckets[%d]: %q is not bucket, bucket/prefix or *", i, b)
	}
	for i, h := range c.Hosts {
		_, err := parseHostRule(h)
		check(err == nil, "hosts[%d]: %v", i, err)
	}
	for i, r := range c.FileRoots {
		check(filepath.IsAbs(r), "file_roots[%d]: %q is not an absolute path", i, r)
	}
	check(c.MaxObjectBytes > 0, "max_object_bytes: must be positive")
	check(c.Timeout > 0, "timeout: must be positive")
	check(c.MaxDuration > 0, "max_duration: must be positive")
	check(c.Retry.Attempts >= 1, "attempts: must be at least 1")
	return errors.Join(errs...)
}
