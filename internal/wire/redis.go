package wire

import (
	"context"
	"fmt"

	"vecmill/internal/config"
	"vecmill/sinks"
	"vecmill/sinks/redissink"
)

func newRedis(ctx context.Context, c *config.Redis, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg := redissink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Prefix, cfg.Columns, cfg.TTL, cfg.ModelDigest = delivery(&c.Batch, told), c.URL.Reveal(), c.Prefix, c.Columns, c.TTL.D(), m.digest
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("redis.ca_file: %w", err)
	}
	cfg.TLS = transport.TLSClientConfig
	cfg.Index = redissink.Index{Algorithm: redissink.Algorithm(c.Index), Vectors: indexOf(m, c.Dimension, c.Metric, nil), Halves: m.halves}
	return redissink.Open(ctx, cfg)
}
