package wire

import (
	"context"
	"fmt"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/stream"
	"vecmill/stream/manifestsource"
)

// Audited is the report on one source in one output.
type Audited struct {
	Pipeline string `json:"pipeline"`
	Output   string `json:"output"`
	audit.Report
}

// Audit examines every output of every pipeline.
func Audit(ctx context.Context, c *config.Config) ([]Audited, error) {
	s := &stores{cfg: c}
	var out []Audited
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		for _, o := range p.Outputs {
			if o.Parquet == nil {
				continue
			}
			store, prefix, err := s.open(ctx, o.Parquet.URL)
			if err != nil {
				return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			reports, err := audit.Parquet(ctx, store, prefix, p.Name)
			if err != nil {
				return nil, fmt.Errorf("pipeline %s: %s: %w", p.Name, o.Parquet.URL, err)
			}
			for _, r := range reports {
				out = append(out, Audited{p.Name, o.Parquet.URL, r})
			}
		}
	}
	return out, nil
}

// ManifestSource reads a manifest in place of Kafka.
func ManifestSource(path, name string) func(*config.Pipeline) (stream.Source, error) {
	return func(*config.Pipeline) (stream.Source, error) { return manifestsource.New(path, name) }
}
