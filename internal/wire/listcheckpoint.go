package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/sinks/jsonlsink"
	"vecmill/stream"
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
	by       string   // computedBy
	before   []string // what builds before this one called them
	next     []int64  // of these, as far as is known since they were asked for last; -1: nothing says where one is
	name     string   // of the checkpoint that said so
	cluster  *string  // that topics of rows are in: another one has the same addresses elsewhere; nil: it was not asked
	log      *slog.Logger
}

// openCheckpoint is that of a pipeline's list. It lies beside the plan; that of a list that is none, beside the rows of an output that is files; nil if there is no such place, or nothing to keep.
func openCheckpoint(ctx context.Context, s *stores, p *config.Pipeline, m *loadedModel, list *manifestsource.Source, o Options) (*listCheckpoint, error) {
	k := &listCheckpoint{pipeline: p, by: computedBy(p, m), log: o.Log}
	k.work = plan.Work{List: strings.TrimPrefix(list.Partition().Topic, dlq.ManifestTopic), Share: o.Share.I, Shares: max(o.Share.N, 1)}
	k.outputs, k.before = keptOutputs(s.cfg, p)
	k.next = slices.Repeat([]int64{-1}, len(k.outputs))
	first := slices.IndexFunc(k.outputs, func(name string) bool { return name != "" })
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
	if err := k.askCluster(ctx, s.cfg); err != nil {
		return nil, err
	}
	var err error
	k.place, err = planPlace(ctx, s, at)
	return k, err
}

// askCluster asks for the id of the cluster that topics of rows are in, if there are any.
func (k *listCheckpoint) askCluster(ctx context.Context, c *config.Config) error {
	for i, name := range k.outputs {
		out := k.pipeline.Outputs[i].Kafka
		if out == nil || name == "" {
			continue
		}
		transport, err := kafkaTransport(c)
		if err != nil {
			return err
		}
		defer transport.CloseIdleConnections()
		cluster, err := findTopic(ctx, c.Kafka.Brokers, out.Topic, transport)
		if err != nil {
			return fmt.Errorf("%s: %w", outputName(i), err)
		}
		k.cluster = &cluster
		return nil
	}
	return nil
}

// keptOutputs are what the required outputs of a pipeline that do not know how far they are are called in a checkpoint, by number; "": it is none of them.
func keptOutputs(c *config.Config, p *config.Pipeline) (all, before []string) {
	for i := range p.Outputs {
		name, was := "", ""
		if !p.Outputs[i].BestEffort {
			name, was = unaware(c, &p.Outputs[i])
		}
		all, before = append(all, name), append(before, was)
	}
	return all, before
}

// unaware is what an output that does not know how far it is is called in a checkpoint, without secrets, by its kind, its place, and what it takes of a row; "" for one that knows, and for standard output, which is another one each time.
// before is what builds before this one called it: what an index or a topic takes was not in that.
func unaware(c *config.Config, o *config.Output) (name, before string) {
	_, place := sharedPlace(o)
	switch {
	case o.Redis != nil, o.Postgres != nil, o.Iceberg != nil:
		return "", ""
	case o.JSONL != nil && o.JSONL.Path == "-":
		return "", ""
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
		return "", ""
	}
	if loopback(place) { // each machine's own
		host, _ := os.Hostname()
		place += " " + host
	}
	called := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return o.Kind() + " " + hex.EncodeToString(sum[:8])
	}
	return called(place + taken(o)), called(place)
}

// taken is what an output takes of a row, if not all of it; of a feature server it is in the place.
func taken(o *config.Output) string {
	columns := func(all []string) string {
		return " columns " + strings.Join(slices.Compact(slices.Sorted(slices.Values(all))), ",")
	}
	switch {
	case o.Qdrant != nil:
		return columns(o.Qdrant.Columns)
	case o.Milvus != nil:
		return columns(o.Milvus.Columns)
	case o.OpenSearch != nil:
		return columns(o.OpenSearch.Columns)
	case o.Kafka != nil:
		return " as " + o.Kafka.Format
	}
	return ""
}

// loopback says whether a place is this machine's.
func loopback(place string) bool {
	return slices.ContainsFunc(strings.Fields(place), func(word string) bool {
		host := word
		if u, err := url.Parse(word); err == nil && u.Host != "" {
			host = u.Hostname()
		} else if h, _, err := net.SplitHostPort(word); err == nil {
			host = h
		}
		ip := net.ParseIP(host)
		return host == "localhost" || ip != nil && ip.IsLoopback()
	})
}

// ends is where the last run was with an output, which may have none of what another maker has made; nil for outputs that are not kept.
func (k *listCheckpoint) ends(output int) func(ctx context.Context, src schemas.SourceID) (next int64, known bool, err error) {
	if k == nil || k.outputs[output] == "" {
		return nil
	}
	return func(ctx context.Context, _ schemas.SourceID) (int64, bool, error) {
		next, last, name, err := k.last(ctx, output, k.work)
		k.next[output], k.name = next, name
		if err != nil || next <= 0 {
			return 0, next == 0, err
		}
		if last.ComputedBy != "" && !sameMakers(last.ComputedBy, k.by) {
			return 0, false, manifestsource.Unfit(fmt.Errorf("what it has of %q is of another model, preprocessing or heads than pipeline %s has now, as checkpoint %s says; %s", k.work.List, k.pipeline.Name, name, goElsewhere))
		}
		k.log.Info("an output is taken to have what a run before gave it; if it was lost there, delete the checkpoint", "pipeline", k.pipeline.Name, "output", outputName(output), "references", next, "checkpoint", name)
		return next, true, nil
	}
}

// within refuses a list that ends before what an output has of it.
func (k *listCheckpoint) within(ctx context.Context, length int64) error {
	for i, name := range k.outputs {
		if name == "" {
			continue
		}
		next, _, _, err := k.last(ctx, i, k.work)
		if err != nil {
			return err
		}
		if next > length {
			return stream.ErrBeyondEnd
		}
	}
	return nil
}

// brought saves how far an output is that is brought up from another one; nil for outputs that are not kept.
func (k *listCheckpoint) brought(output int) func(ctx context.Context, src schemas.SourceID, next int64) error {
	if k == nil || k.outputs[output] == "" {
		return nil
	}
	return func(ctx context.Context, _ schemas.SourceID, next int64) error {
		k.next[output] = next
		return k.save(ctx)
	}
}

// ahead warns that an output is not given what others are; nil for outputs that are not kept. Whoever begins anew takes away all that outputs have, and may not know of the checkpoint.
func (k *listCheckpoint) ahead(output int) func(src schemas.SourceID, what schemas.Span) {
	if k == nil || k.outputs[output] == "" {
		return nil
	}
	return func(_ schemas.SourceID, what schemas.Span) {
		k.log.Warn("an output is not given what others are given now, since it is taken to have that; if it was lost there, too, stop the run, delete the checkpoint, and give the command again",
			"pipeline", k.pipeline.Name, "output", outputName(output), "first", what.First, "next", what.Next, "checkpoint", k.name)
	}
}

// last is where the last run of a work was with an output, and which checkpoint says so, under which name; -1 if nothing does.
func (k *listCheckpoint) last(ctx context.Context, output int, w plan.Work) (next int64, last *plan.Checkpoint, name string, err error) {
	last, name, err = plan.LastCheckpoint(ctx, k.place, w, k.pipeline.Name)
	if err != nil || last == nil {
		return -1, nil, name, err
	}
	called := k.outputs
	if last.OneEnd {
		called = k.before
	}
	end, has := last.Ends[called[output]]
	if has {
		has, err = k.goes(output, end.Mark, last.OneEnd)
	}
	if !has || err != nil {
		return -1, last, name, err
	}
	return end.Next, last, name, nil
}

// mark is what tells the content of an output from another one's under the same name.
func (k *listCheckpoint) mark(output int) (string, error) {
	switch o := &k.pipeline.Outputs[output]; {
	case o.JSONL != nil:
		mark, err := jsonlsink.Mark(o.JSONL.Path)
		if err != nil {
			return "", fmt.Errorf("marking %s: %w", o.JSONL.Path, err)
		}
		return mark, nil
	case o.Kafka != nil && k.cluster != nil:
		return *k.cluster, nil
	}
	return "", nil
}

// goes says whether an output goes on behind what it had when it was marked. Builds before this one did not mark topics.
func (k *listCheckpoint) goes(output int, mark string, before bool) (bool, error) {
	switch o := &k.pipeline.Outputs[output]; {
	case o.JSONL != nil:
		goes, err := jsonlsink.Goes(o.JSONL.Path, mark)
		if err != nil {
			return false, fmt.Errorf("looking for what %s had: %w", o.JSONL.Path, err)
		}
		return goes, nil
	case o.Kafka != nil && k.cluster != nil:
		return before || mark == *k.cluster, nil
	}
	return true, nil
}

// told warns, behind a run, of outputs that were given nothing, since a checkpoint alone says that they have all of the list.
func (k *listCheckpoint) told(list *manifestsource.Source) {
	if k == nil {
		return
	}
	alone := true // no output knows that by itself
	for i, name := range k.outputs {
		alone = alone && (name != "" || k.pipeline.Outputs[i].BestEffort)
	}
	if start, _, total := list.Covered(); alone && total > 0 && start == total {
		k.log.Warn("nothing was computed, since a checkpoint alone says that the outputs have all of the list; if they are others under the same names, or lost it, delete that, and give the command again",
			"pipeline", k.pipeline.Name, "references", total, "checkpoint", k.name)
	}
}

// HowFarKept is how far outputs that do not know it are with the plan at a place, all shares of it together, by what is kept beside the plan. Outputs of which that says nothing are passed over.
func HowFarKept(ctx context.Context, c *config.Config, at string) (all []Written, err error) {
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return nil, err
	}
	p, err := plan.Load(ctx, place)
	if err != nil {
		return nil, err
	}
	is, err := plan.HowSettled(ctx, place)
	if err != nil {
		return nil, err
	}
	for i := range c.Pipelines {
		k := &listCheckpoint{place: place, work: plan.Work{List: p.Name, Made: p.Created, Shares: max(is.Of, 1)}, pipeline: &c.Pipelines[i]}
		k.outputs, k.before = keptOutputs(c, k.pipeline)
		for j, name := range k.outputs {
			if name == "" {
				continue
			}
			next, known, err := k.sum(ctx, j)
			if err != nil {
				return nil, fmt.Errorf("pipeline %s: %w", k.pipeline.Name, err)
			}
			if known {
				all = append(all, Written{Pipeline: k.pipeline.Name, Output: unnamed(k.pipeline, j), Manifest: p.Name, Kept: true, Written: audit.Written{Next: next}})
			}
		}
	}
	return all, nil
}

// sum adds up where the runs of all shares were with an output; known is false if none of them was anywhere.
func (k *listCheckpoint) sum(ctx context.Context, output int) (next int64, known bool, err error) {
	for w := k.work; w.Share < w.Shares; w.Share++ {
		n, _, _, err := k.last(ctx, output, w)
		if err != nil {
			return 0, false, err
		}
		if n >= 0 {
			next, known = next+n, true
		}
	}
	return next, known, nil
}

// keep saves up to where all is durable in all outputs. One that was ahead stays so.
func (k *listCheckpoint) keep(ctx context.Context, next int64) error {
	for i := range k.next {
		k.next[i] = max(k.next[i], next)
	}
	return k.save(ctx)
}

// save saves what is known of each output.
func (k *listCheckpoint) save(ctx context.Context) error {
	c := plan.Checkpoint{Work: k.work, Pipeline: k.pipeline.Name, ComputedBy: k.by, Ends: map[string]plan.End{}}
	for i, name := range k.outputs {
		if name == "" || k.next[i] < 0 {
			continue
		}
		mark, err := k.mark(i)
		if err != nil {
			return err
		}
		c.Ends[name] = plan.End{Next: k.next[i], Mark: mark}
	}
	return c.Save(ctx, k.place)
}
