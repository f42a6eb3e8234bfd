package kafkasource

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"vecmill/internal/retry"
)

// Config says which topics to read, as whom, and how patiently.
type Config struct {
	Brokers  []string // host:port, any of the cluster; the others are discovered
	Topics   []string // all of them must exist
	Group    string   // consumer group id
	ClientID string   // shown in the broker's logs and quotas

	TLS  *tls.Config                                                       // nil means plain text
	SASL sasl.Mechanism                                                    // nil means none; kafka-go's plain.Mechanism, scram.Mechanism(...)
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil means TCP

	SessionTimeout    time.Duration // a member that is silent for so long is evicted
	HeartbeatInterval time.Duration // at most a third of SessionTimeout
	RebalanceTimeout  time.Duration // how long the broker waits for members to drain and rejoin
	DrainTimeout      time.Duration // how long an assignment may settle and flush when it ends

	FetchMinBytes int32         // the broker waits for so many bytes, or for FetchMaxWait
	FetchMaxBytes int32         // per partition and fetch; one record batch may be larger
	FetchMaxWait  time.Duration // see FetchMinBytes

	StartAttempts int           // tries at a start to reach the brokers and to find the topics before Run gives up
	WatchInterval time.Duration // how often topics are looked at, for partitions that were added and for topics that are gone
	Retry         retry.Policy  // pace of retries; Attempts bounds those of one commit, fetching has no bound
	Log           *slog.Logger  // nil means the default

	// Told hears of every failed try of a Run that another one follows, from any goroutine, and with a nil error when nothing that it heard of fails any more. nil tells nobody.
	Told func(tries int, err error)
}

// commitMargin is the time that the last commit of an assignment needs beyond the drain.
const commitMargin = 5 * time.Second

// rejoinTimeout is how long after the end of a generation a member may join the next one: the broker may have asked a heartbeat earlier, and joining takes its time.
func (c *Config) rejoinTimeout() time.Duration {
	return c.RebalanceTimeout - c.HeartbeatInterval - commitMargin
}

// NewDefaultConfig has every setting but brokers, topics and group.
func NewDefaultConfig() Config {
	return Config{
		ClientID:          "vecmill",
		SessionTimeout:    45 * time.Second,
		HeartbeatInterval: 3 * time.Second,
		RebalanceTimeout:  60 * time.Second,
		DrainTimeout:      40 * time.Second,
		FetchMinBytes:     1,
		FetchMaxBytes:     1 << 20,
		FetchMaxWait:      500 * time.Millisecond,
		StartAttempts:     8,
		WatchInterval:     30 * time.Second,
		Retry:             retry.Default(),
	}
}

// Validate lists every fault.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(len(c.Brokers) > 0, "brokers: none given")
	for i, b := range c.Brokers {
		_, _, err := net.SplitHostPort(b)
		check(err == nil, "brokers[%d]: %q is not host:port", i, b)
	}
	check(len(c.Topics) > 0, "topics: none given")
	for i, t := range c.Topics {
		check(strings.TrimSpace(t) != "", "topics[%d]: empty", i)
	}
	check(c.Group != "", "group: empty")
	check(c.HeartbeatInterval > 0, "heartbeat_interval: must be positive")
	check(c.SessionTimeout >= 3*c.HeartbeatInterval, "session_timeout: %v is less than three heartbeat intervals of %v", c.SessionTimeout, c.HeartbeatInterval)
	check(c.DrainTimeout > 0, "drain_timeout: must be positive")
	check(c.DrainTimeout+c.HeartbeatInterval+commitMargin <= c.RebalanceTimeout,
		"drain_timeout: %v plus a heartbeat (%v) to notice and %v to commit is more than rebalance_timeout (%v): the broker would evict a draining member",
		c.DrainTimeout, c.HeartbeatInterval, commitMargin, c.RebalanceTimeout)
	check(c.FetchMinBytes >= 0, "fetch_min_bytes: negative")
	check(c.FetchMaxBytes >= 1<<10, "fetch_max_bytes: %d is less than 1024", c.FetchMaxBytes)
	check(c.FetchMaxWait > 0 && c.FetchMaxWait <= c.SessionTimeout, "fetch_max_wait: %v is not between 0 and session_timeout", c.FetchMaxWait)
	check(c.StartAttempts >= 1, "start_attempts: must be at least 1")
	check(c.WatchInterval > 0, "watch_interval: must be positive")
	check(c.Retry.Attempts >= 1 && c.Retry.Base > 0 && c.Retry.Max > 0, "retry: attempts, base and max must be positive")
	return errors.Join(errs...)
}
