package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/sinks/jsonlsink"
	"vecmill/stream/manifestsource"
)

// listsDir is where checkpoints of lists lie that are no plans, beneath an output's URL, as plansDir.
const listsDir = "_lists"

// listCheckpoint keeps how far a list's run has come with the required outputs of a pipeline that do not know it themselves: for a topic, the group's commits do.
type listCheckpoint struct {
	place    plan.Place
	work     plan.Work
	pipeline *config.Pipeline
	outputs  []string // by number; "": it is none of them
	log      *slog.Logger
}

// openCheckpoint is that of a pipeline's list. It lies beside the plan; that of a list that is none, beside the rows of an output that is files; nil if there is no such place, or nothing to keep.
func openCheckpoint(ctx context.Context, s *stores, p *config.Pipeline, list *manifestsource.Source, o Options) (*listCheckpoint, error) {
	k := &listCheckpoint{pipeline: p, log: o.Log}
	k.work = plan.Work{List: strings.TrimPrefix(list.Partition().Topic, dlq.ManifestTopic), Share: o.Share.I, Shares: max(o.Share.N, 1)}
	first := -1
	for i := range p.Outputs {
		name := ""
		if !p.Outputs[i].BestEffort {
			name = unaware(s.cfg, &p.Outputs[i])
		}
		if k.outputs = append(k.outputs, name); name != "" && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return nil, nil
	}
	at := o.PlanAt
	if o.Plan != nil {
		k.work.Made = o.Plan.Created
	} else if at = besideRows(p, listsDir); at != "" {
		at += "/" + url.PathEscape(k.work.List)
	}
	if at == "" {
		o.Log.Warn("an output does not know how far it is, and there is no plan beside which that would be kept: if the run is interrupted, the same command begins with the first reference; --source in place of --manifest makes a plan, which goes on",
			"pipeline", p.Name, "output", outputName(first))
		return nil, nil
	}
	var err error
	k.place, err = planPlace(ctx, s, at)
	return k, err
}

// unaware is what an output that does not know how far it is is called in a checkpoint, without secrets, by its kind, its place, and what it takes of a row; "" for one that knows, and for standard output, which is another one each time.
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
	case o.Feast != nil:
		place += " " + o.Feast.To + " " + strings.Join(slices.Sorted(slices.Values(o.Feast.Heads)), ",") + " " + strings.Join(slices.Sorted(slices.Values(o.Feast.Columns)), ",")
	}
	if place == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(place))
	return o.Kind() + " " + hex.EncodeToString(sum[:8])
}

// ends is where the last run was with an output; nil for outputs that are not kept.
func (k *listCheckpoint) ends(i int) func(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	if k == nil || k.outputs[i] == "" {
		return nil
	}
	return func(ctx context.Context, _ schemas.SourceID) (int64, bool, error) {
		last, name, err := plan.LastCheckpoint(ctx, k.place, k.work, k.pipeline.Name)
		if err != nil || last == nil {
			return 0, false, err
		}
		mark, has := last.Outputs[k.outputs[i]]
		if lines := k.pipeline.Outputs[i].JSONL; has && lines != nil {
			if has, err = jsonlsink.Goes(lines.Path, mark); err != nil {
				return 0, false, fmt.Errorf("looking for what %s had: %w", lines.Path, err)
			}
		}
		if !has {
			return 0, false, nil
		}
		if last.Next > 0 {
			k.log.Info("an output is taken to have what a run before gave it; if it was lost there, delete the checkpoint", "pipeline", k.pipeline.Name, "output", outputName(i), "references", last.Next, "checkpoint", name)
		}
		return last.Next, true, nil
	}
}

// keep saves up to where all is durable.
func (k *listCheckpoint) keep(ctx context.Context, next int64) error {
	c := plan.Checkpoint{Work: k.work, Pipeline: k.pipeline.Name, Next: next, Outputs: map[string]string{}}
	for i, name := range k.outputs {
		if name == "" {
			continue
		}
		mark := ""
		if lines := k.pipeline.Outputs[i].JSONL; lines != nil {
			var err error
			if mark, err = jsonlsink.Mark(lines.Path); err != nil {
				return fmt.Errorf("marking %s: %w", lines.Path, err)
			}
		}
		c.Outputs[name] = mark
	}
	return c.Save(ctx, k.place)
}
