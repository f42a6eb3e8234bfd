package wire

import (
	"context"
	"fmt"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/milvussink"
	"vecmill/sinks/opensearchsink"
	"vecmill/sinks/qdrantsink"
	"vecmill/sinks/vectorindex"
)

func newQdrant(ctx context.Context, c *config.Qdrant, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg, err := qdrantOf(c, told)
	if err != nil {
		return nil, err
	}
	cfg.Index = indexOf(m, c.Dimension, c.Metric, c.Columns)
	return qdrantsink.Open(ctx, cfg)
}

// qdrantOf lacks what the collection takes.
func qdrantOf(c *config.Qdrant, told tellTries) (qdrantsink.Config, error) {
	cfg := qdrantsink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.APIKey, cfg.Collection = delivery(&c.Batch, told), c.URL, c.APIKey.Reveal(), c.Collection
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("qdrant.ca_file: %w", err)
	}
	cfg.TLS = transport.TLSClientConfig
	return cfg, nil
}

func newMilvus(ctx context.Context, c *config.Milvus, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg, err := milvusOf(c, told)
	if err != nil {
		return nil, err
	}
	cfg.Index = indexOf(m, c.Dimension, c.Metric, c.Columns)
	return milvussink.Open(ctx, cfg)
}

// milvusOf lacks what the collection takes.
func milvusOf(c *config.Milvus, told tellTries) (milvussink.Config, error) {
	cfg := milvussink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.Token, cfg.Database, cfg.Collection = delivery(&c.Batch, told), c.URL, c.Token.Reveal(), c.Database, c.Collection
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("milvus.ca_file: %w", err)
	}
	cfg.TLS = transport.TLSClientConfig
	return cfg, nil
}

func newOpenSearch(ctx context.Context, c *config.OpenSearch, m *loadedModel, told tellTries) (sinks.Sink, error) {
	cfg, err := openSearchOf(c, told)
	if err != nil {
		return nil, err
	}
	cfg.Shards, cfg.Replicas, cfg.Index = c.Shards, *c.Replicas, indexOf(m, c.Dimension, c.Metric, c.Columns)
	return opensearchsink.Open(ctx, cfg)
}

// openSearchOf lacks what the index takes, and how it is made.
func openSearchOf(c *config.OpenSearch, told tellTries) (opensearchsink.Config, error) {
	cfg := opensearchsink.NewDefaultConfig()
	cfg.Deliver, cfg.URL, cfg.User, cfg.Password, cfg.Name = delivery(&c.Batch, told), c.URL, c.User, c.Password.Reveal(), c.Index
	transport, err := httpTransport(c.CAFile)
	if err != nil {
		return cfg, fmt.Errorf("opensearch.ca_file: %w", err)
	}
	cfg.Transport = transport
	return cfg, nil
}

// indexOf is what an index takes of a model's rows.
func indexOf(m *loadedModel, dimension int, metric string, columns []string) vectorindex.Spec {
	x := vectorindex.Spec{Dimension: dimension, Metric: vectorindex.Metric(metric), ModelDigest: m.digest, Columns: columns}
	for _, h := range m.heads {
		if t := h.Task(); t == schemas.TaskEmbedding || t == schemas.TaskXVector {
			x.Heads = append(x.Heads, h.Name())
		}
	}
	return x
}
