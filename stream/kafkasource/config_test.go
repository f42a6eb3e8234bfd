package kafkasource

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesEveryFault(t *testing.T) {
	good := NewDefaultConfig()
	good.Brokers, good.Topics, good.Group = []string{"kafka:9092"}, []string{"refs"}, "g"
	if err := good.Validate(); err != nil {
		t.Fatalf("the defaults with brokers, topics and group: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a broker without a port":                  {func(c *Config) { c.Brokers = []string{"kafka"} }, "brokers[0]"},
		"no brokers":                               {func(c *Config) { c.Brokers = nil }, "brokers: none"},
		"no topics":                                {func(c *Config) { c.Topics = nil }, "topics: none"},
		"an empty topic":                           {func(c *Config) { c.Topics = []string{"a", " "} }, "topics[1]"},
		"no group":                                 {func(c *Config) { c.Group = "" }, "group"},
		"a session of two heartbeats":              {func(c *Config) { c.SessionTimeout = 2 * c.HeartbeatInterval }, "session_timeout"},
		"a drain as long as the rebalance":         {func(c *Config) { c.DrainTimeout = c.RebalanceTimeout }, "drain_timeout"},
		"fetches of nothing":                       {func(c *Config) { c.FetchMaxBytes = 0 }, "fetch_max_bytes"},
		"fetches that wait longer than a session":  {func(c *Config) { c.FetchMaxWait = time.Hour }, "fetch_max_wait"},
		"no attempt to start":                      {func(c *Config) { c.StartAttempts = 0 }, "start_attempts"},
		"no retries":                               {func(c *Config) { c.Retry.Attempts = 0 }, "retry"},
		"topics that are never watched for growth": {func(c *Config) { c.WatchInterval = 0 }, "watch_interval"},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	var none Config
	if err := none.Validate(); strings.Count(err.Error(), "\n") < 6 {
		t.Errorf("not every fault is listed: %v", err)
	}
}
