package ortsession

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"vecmill/model"
)

// keptFor is o with a directory of the graph's own for the engines that TensorRT builds of it. TensorRT knows a kept engine by the name of the graph's file and of its nodes, never by
// its weights: beside each other, one model would run with the weights of another that is built alike.
func (o Options) keptFor(ctx context.Context, g *model.Graph) (Options, error) {
	if o.GPU.Engines == "" {
		return o, nil
	}
	digest, err := g.Digest(ctx)
	if err != nil {
		return o, fmt.Errorf("keeping TensorRT's engines: %w", err)
	}
	o.GPU.Engines = filepath.Join(o.GPU.Engines, digest)
	if err := os.MkdirAll(o.GPU.Engines, 0o755); err != nil {
		return o, fmt.Errorf("making a place for TensorRT's engines: %w; set model.gpu.engine_cache", err)
	}
	return o, nil
}
