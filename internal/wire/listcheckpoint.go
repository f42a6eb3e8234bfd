package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/stream/manifestsource"
)

// listCheckpoint keeps how far a list's run has come with the required outputs of a pipeline that do not know it themselves: for a topic, the group's commits do.
type listCheckpoint struct {
	place   plan.Place
	list    string
	src     schemas.SourceID
	outputs []string // by number; "": it is none of them
}

// openCheckpoint is that of a pipeline's list. It lies beside the plan; that of a list that is none, where plans of the pipeline would lie; nil if there is no such place, or nothing to keep.
func openCheckpoint(ctx context.Context, s *stores, p *config.Pipeline, list *manifestsource.Source, at string, log *slog.Logger) (*listCheckpoint, error) {
	part := list.Partition()
	k := &listCheckpoint{list: part.Topic, src: schemas.SourceID{Pipeline: p.Name, Topic: part.Topic, Partition: part.ID}}
	k.outputs = keptOutputs(s.cfg, p)
	first := slices.IndexFunc(k.outputs, func(name string) bool { return name != "" })
	if first < 0 {
		return nil, nil
	}
	if at == "" {
		at = besideRows(p, url.PathEscape(strings.TrimPrefix(part.Topic, dlq.ManifestTopic)))
	}
	if at == "" {
		log.Warn("an output does not know how far it is, and there is no plan beside which that would be kept: if the run is interrupted, the same command begins with the first reference; --source in place of --manifest makes a plan, which goes on",
			"pipeline", p.Name, "output", outputName(first))
		return nil, nil
	}
	var err error
	k.place, err = planPlace(ctx, s, at)
	return k, err
}

// keptOutputs are what the required outputs of a pipeline that do not know how far they are are called in a checkpoint, by number; "": it is none of them.
func keptOutputs(c *config.Config, p *config.Pipeline) (all []string) {
	for i := range p.Outputs {
		name := ""
		if !p.Outputs[i].BestEffort {
			name = unaware(c, &p.Outputs[i])
		}
		all = append(all, name)
	}
	return all
}

// HowFarKept is how far outputs that do not know it are with the plan of a name at a place, all shares of it together, by what is kept beside the plan. Outputs of which that says nothing are passed over.
func HowFarKept(ctx context.Context, c *config.Config, at, name string) (all []Written, err error) {
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return nil, err
	}
	is, err := plan.HowSettled(ctx, place)
	if err != nil {
		return nil, err
	}
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		k := &listCheckpoint{place: place, list: dlq.ManifestTopic + name, outputs: keptOutputs(c, p)}
		for j := range p.Outputs {
			next, known, err := k.sum(ctx, j, p, max(is.Of, 1))
			if err != nil {
				return nil, fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			if known {
				all = append(all, Written{Pipeline: p.Name, Output: unnamed(p, j), Manifest: name, Kept: true, Written: audit.Written{Next: next}})
			}
		}
	}
	return all, nil
}

// sum adds up where the runs of so many shares were with an output; known is false if none of them was anywhere.
func (k *listCheckpoint) sum(ctx context.Context, output int, p *config.Pipeline, shares int) (next int64, known bool, err error) {
	end := k.ends(output, &p.Outputs[output])
	if end == nil {
		return 0, false, nil
	}
	for i := range shares {
		at, some, err := end(ctx, schemas.SourceID{Pipeline: p.Name, Topic: k.list, Partition: plan.Share{I: i, N: shares}.Partition()})
		if err != nil {
			return 0, false, err
		}
		next, known = next+at, known || some
	}
	return next, known, nil
}

// unaware is what an output that does not know how far it is is called in a checkpoint, without secrets, by its kind and its place; "" for one that knows, and for standard output, which is another one each time.
func unaware(c *config.Config, o *config.Output) string {
	_, place := sharedPlace(o)
	switch {
	case o.Redis != nil, o.Postgres != nil, o.Iceberg != nil:
		return ""
	case o.JSONL != nil && o.JSONL.Path == "-":
		return ""
	case o.JSONL != nil:
		place = absolute(o.JSONL.Path)
	case o.Kafka != nil:
		place = o.Kafka.Topic + " " + strings.Join(slices.Sorted(slices.Values(c.Kafka.Brokers)), " ")
	case o.Webhook != nil:
		place = o.Webhook.URL
	case o.Flight != nil:
		place = o.Flight.URL + " " + o.Flight.Path
	}
	if place == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(place))
	return o.Kind() + " " + hex.EncodeToString(sum[:8])
}

// ends is where the last run was with an output; nil for outputs that are not kept.
func (k *listCheckpoint) ends(i int, o *config.Output) func(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	if k == nil || k.outputs[i] == "" {
		return nil
	}
	return func(ctx context.Context, src schemas.SourceID) (int64, bool, error) {
		if o.JSONL != nil { // a file that was taken away is begun again
			if file, err := os.Stat(o.JSONL.Path); err != nil || file.Size() == 0 {
				return 0, false, nil
			}
		}
		last, err := plan.LastCheckpoint(ctx, k.place, k.list, src.Pipeline, src.Partition)
		if err != nil || last == nil || !slices.Contains(last.Outputs, k.outputs[i]) {
			return 0, false, err
		}
		return last.Next, true, nil
	}
}

// keep saves up to where all is durable.
func (k *listCheckpoint) keep(ctx context.Context, next int64) error {
	c := plan.Checkpoint{List: k.list, Pipeline: k.src.Pipeline, Partition: k.src.Partition, Next: next}
	for _, name := range k.outputs {
		if name != "" {
			c.Outputs = append(c.Outputs, name)
		}
	}
	return c.Save(ctx, k.place)
}
