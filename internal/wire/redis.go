package wire

import (
	"context"
	"fmt"

	"vecmill/internal/config"
	"vecmill/sinks"
	"vecmill/sinks/redissink"
)

func newRedis(ctx context.Context, c *config.Redis, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg, err := redisOf(c, told)
	if err != nil {
		return nil, err
	}
	cfg.Columns, cfg.TTL, cfg.ModelDigest = c.Columns, c.TTL.D(), m.digest
	cfg.Index = redissink.Index{Algorithm: redissink.Algorithm(c.Index), Vectors: indexOf(m, c.Dimension, c.Metric, nil), Halves: m.halves}
	return redissink.Open(ctx, cfg)
}

// redisOf lacks what the keys hold.
func redisOf(c *config.Redis, told tellTries) (redissink.Config, error) {
	cfg := redissink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Prefix = delivery(&c.Batch, told), c.URL.Reveal(), c.Prefix
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("redis.ca_file: %w", err)
	}
	cfg.TLS = transport.TLSClientConfig
	return cfg, nil
}
