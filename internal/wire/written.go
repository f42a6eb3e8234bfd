package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/stream/manifestsource"
)

// Written is how far one output of a pipeline has come with a manifest.
type Written struct {
	Pipeline string `json:"pipeline"`
	Output   string `json:"output"`
	Manifest string `json:"manifest"` // its name
	audit.Written
}

// HowFar asks the outputs themselves how far they have come: with the manifest of a name, or with all that they have anything of if it is empty. Outputs that keep no account are passed
// over, and named.
func HowFar(ctx context.Context, c *config.Config, name string) (all []Written, passed []string, err error) {
	a := &auditor{c: c, stores: &stores{cfg: c}}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		for j := range p.Outputs {
			some, err := a.howFar(ctx, p, &p.Outputs[j], name)
			if errors.Is(err, errNoAccount) {
				passed = append(passed, fmt.Sprintf("%s: outputs[%d] (%s)", p.Name, j, p.Outputs[j].Kind()))
				continue
			}
			if err != nil {
				return nil, nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			all = append(all, some...)
		}
	}
	return all, passed, nil
}

func (a *auditor) howFar(ctx context.Context, p *config.Pipeline, o *config.Output, name string) (all []Written, err error) {
	out, at, err := a.output(ctx, o)
	if err != nil {
		return nil, err
	}
	if c, ok := out.(interface{ Close() }); ok {
		defer c.Close()
	}
	sources := []schemas.SourceID{{Pipeline: p.Name, Topic: dlq.ManifestTopic + name}}
	if name == "" {
		if sources, err = out.Sources(ctx, p.Name); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	for _, src := range sources {
		manifest, ok := strings.CutPrefix(src.Topic, dlq.ManifestTopic)
		if !ok {
			continue
		}
		w, err := audit.HowFar(ctx, out, src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		all = append(all, Written{p.Name, at, manifest, *w})
	}
	return all, nil
}

// CountManifest is the number of references of a manifest's file.
func CountManifest(ctx context.Context, path string, o ReadOptions) (int64, error) {
	list, err := manifestsource.OpenFile(ctx, path, o.Columns)
	if err != nil {
		return 0, fmt.Errorf("manifest %s: %w", path, err)
	}
	return list.Len(), list.Close()
}
