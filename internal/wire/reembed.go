package wire

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"vecmill/internal/backfill"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/refcodec/celmap"
)

// Reembed is the recomputation of what one pipeline has written by another one beside it: the new one has another model, preprocessing or heads, and outputs of its own. Workers of the
// configuration run both, so that from some offset of each partition on the stream is the new one's, too; what the old one wrote before that is planned. The two make up everything, and have nothing
// in common.
type Reembed struct {
	Old, New *config.Pipeline
	Config   *config.Config // of the new pipeline alone
	auditor  *auditor
	noStream bool
	topic    string // of which workers compute the plan; "": this machine does
	at       string // where the plan lies, once Plan has found it
}

// NewReembed finds the two pipelines and refuses what cannot end well. noStream says that nobody publishes any more: all that the old outputs have is planned. Close must follow.
func NewReembed(c *config.Config, from, to string, noStream bool, log *slog.Logger) (*Reembed, error) {
	r := &Reembed{noStream: noStream, auditor: &auditor{c: c, o: AuditOptions{Log: log}, stores: &stores{cfg: c}}}
	for i := range c.Pipelines {
		switch c.Pipelines[i].Name {
		case from:
			r.Old = &c.Pipelines[i]
		case to:
			r.New = &c.Pipelines[i]
		}
	}
	switch {
	case from == to:
		return nil, errors.New("old and new are one pipeline: files and rows of two models would be one chain; the new one needs a name of its own")
	case r.Old == nil:
		return nil, fmt.Errorf("the configuration has no pipeline %s", from)
	case r.New == nil:
		return nil, fmt.Errorf("the configuration has no pipeline %s", to)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	own := *c
	own.Pipelines = []config.Pipeline{*r.New}
	r.Config = &own
	if !noStream && len(c.Kafka.Brokers) > 0 {
		var err error
		if r.auditor.log, err = kafkaLog(c, log); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close lets Kafka go.
func (r *Reembed) Close() {
	if r.auditor.log != nil {
		r.auditor.log.Close()
	}
}

// check compares the two pipelines.
func (r *Reembed) check() error {
	for _, t := range r.Old.Topics {
		if !slices.Contains(r.New.Topics, t) && !r.noStream {
			return fmt.Errorf("%s does not read topic %s, as %s does: what comes there from now on would be missing in its output", r.New.Name, t, r.Old.Name)
		}
	}
	switch {
	case r.Old.Where != r.New.Where || !reflect.DeepEqual(r.Old.Input, r.New.Input):
		return fmt.Errorf("%s and %s differ in where or input: they would take different references from the stream", r.Old.Name, r.New.Name)
	case !r.rowsTell():
		return fmt.Errorf("the where of %s and %s asks about the record (topic, key, headers, timestamp) or content_type, which rows do not tell, so that what is planned of them would not be taken: give this command a configuration in which neither has one, for what has rows was taken", r.Old.Name, r.New.Name)
	case slices.ContainsFunc(r.New.Heads, func(h config.Head) bool {
		return h.Task == string(schemas.TaskAnswers) || h.Task == string(schemas.TaskChoice)
	}):
		return errors.New("questions and choices are in no output: give the lists that they came from to backfill run")
	}
	for i := range r.Old.Outputs {
		for j := range r.New.Outputs {
			name, at := sharedPlace(&r.Old.Outputs[i])
			if _, other := sharedPlace(&r.New.Outputs[j]); at != "" && at == other {
				return fmt.Errorf("%s and %s both write to %s: two digests in one index cannot be told apart by what searches it; give the new one a place of its own", r.Old.Name, r.New.Name, name)
			}
		}
	}
	return nil
}

// rowsTell says whether rows have all that the pipelines' where asks about. What it does not compile is refused elsewhere. That a reference has its data in it, and how much, rows do say: these are planned as what cannot be computed again.
func (r *Reembed) rowsTell() bool {
	if r.New.Where == "" {
		return true
	}
	filter, err := celmap.NewFilter("where", r.New.Where)
	return err != nil || !filter.AsksRecord() && !filter.Asks("content_type")
}

// sharedPlace is what an output's rows are mixed in if two pipelines have it, for people, and whole, with secrets. Files are each pipeline's own, by its name.
func sharedPlace(o *config.Output) (name, at string) {
	switch {
	case o.Postgres != nil:
		name, at = "table "+o.Postgres.Table, o.Postgres.URL.Reveal()
	case o.Iceberg != nil:
		name, at = "table "+o.Iceberg.Table, o.Iceberg.Catalog.URI.Reveal()
	case o.Qdrant != nil:
		name, at = "collection "+o.Qdrant.Collection, o.Qdrant.URL
	case o.Milvus != nil:
		name, at = "collection "+o.Milvus.Collection, o.Milvus.URL+" "+o.Milvus.Database
	case o.OpenSearch != nil:
		name, at = "index "+o.OpenSearch.Index, o.OpenSearch.URL
	case o.Redis != nil:
		name, at = "prefix "+o.Redis.Prefix, o.Redis.URL.Reveal()
	case o.Feast != nil:
		name, at = "push source "+o.Feast.Source, strings.TrimSuffix(o.Feast.URL, "/")
	default:
		return "", ""
	}
	return name, name + " " + at
}

// ofOutput begins the source of a plan of what an output has.
const ofOutput = "output:"

// Plan finds, makes or goes on with the plan of what the old outputs have and the new pipeline has not.
func (r *Reembed) Plan(ctx context.Context, o PlanOptions) (*PlanFor, error) {
	o.Source = ofOutput + r.Old.Name
	if r.noStream { // another plan: one that leaves the stream's part out would not be all that the old output has
		o.Source += " without its stream"
	}
	o.open, o.byID = r.references, true
	p, err := PlanOnce(ctx, r.Config, o)
	if err == nil {
		r.at = p.At
	}
	return p, err
}

// references enumerates the old pipeline's output.
func (r *Reembed) references(ctx context.Context, s *stores, models []*loadedModel, o *PlanOptions) (backfill.Source, func(), error) {
	old, err := pastOf(ctx, s, r.Old)
	if err != nil {
		return nil, nil, err
	}
	by, err := old.madeBy(ctx, r.Old.Name)
	if err == nil && by.heads != "" && by.sorted() == models[0].maker().sorted() {
		err = fmt.Errorf("the rows of %s have the model, the preprocessing and the heads of %s: there is nothing to compute again", r.Old.Name, r.New.Name)
	}
	if err != nil {
		old.close()
		return nil, nil, err
	}
	src := &boundedSource{}
	src.Source = old.references(r.Old.Name, func(ctx context.Context) ([]backfill.Bound, error) {
		src.bounds, err = r.bounds(ctx, s, old)
		return src.bounds, err
	}, o.Listers)
	return src, old.close, nil
}

// boundedSource knows the bounds of what it enumerates, also of an enumeration that is gone on with.
type boundedSource struct {
	backfill.Source
	bounds []backfill.Bound
}

// Each implements backfill.Source.
func (b *boundedSource) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	if state != nil {
		var at struct {
			Bounds []backfill.Bound `json:"bounds"`
		}
		if err := json.Unmarshal(state, &at); err != nil {
			return fmt.Errorf("the enumeration's progress: %w", err)
		}
		b.bounds = at.Bounds
	}
	return b.Source.Each(ctx, state, give)
}

// bounds divides the work: of each partition the stream's part begins where the new pipeline has begun, and what the old one has before that is planned.
func (r *Reembed) bounds(ctx context.Context, s *stores, old past) (all []backfill.Bound, err error) {
	now, err := pastOf(ctx, s, r.New)
	if err != nil {
		return nil, err
	}
	defer now.close()
	stream, err := r.streamBegins(ctx, now) // before the old output is looked at, which then has at least what is before it
	if err != nil {
		return nil, err
	}
	if err := old.look(ctx); err != nil {
		return nil, err
	}
	sources, err := old.sources(ctx, r.Old.Name)
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		span, known, err := old.span(ctx, src)
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		b := backfill.Bound{Source: src, Next: span.Next, Stream: math.MaxInt64}
		part := stream.of(src)
		if first, ok := stream.begin[part]; ok {
			delete(stream.begin, part)
			if b.Stream = first; span.Next < first {
				return nil, fmt.Errorf("%s has come to offset %d of %s, and %s began at %d: wait until it is there, and give the command again", r.Old.Name, span.Next, part, r.New.Name, first)
			}
		} else if !r.noStream && !strings.HasPrefix(src.Topic, dlq.ManifestTopic) {
			return nil, fmt.Errorf("the output of %s has offsets of %s, which is not a partition that %s reads; --no-stream if nothing comes there any more", r.Old.Name, part, r.New.Name)
		}
		all = append(all, b)
	}
	for part, first := range stream.begin { // of which the old output has nothing
		if first > stream.logs[part].First {
			return nil, fmt.Errorf("%s has written nothing of %s, whose offsets from %d on are there, and %s began at %d: wait until it has, and give the command again", r.Old.Name, part, stream.logs[part].First, r.New.Name, first)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the output of %s has nothing yet: there is nothing to compute again; if it should have, wait until files or transactions of it are there", r.Old.Name)
	}
	return all, nil
}

// begun is where a pipeline began in each partition that it reads.
type begun struct {
	begin map[stream.Partition]int64
	logs  map[stream.Partition]stream.Bounds
}

func (b *begun) of(src schemas.SourceID) stream.Partition {
	return stream.Partition{Topic: src.Topic, ID: src.Partition}
}

// byTopic is the order of partitions in which people look for them.
func byTopic(a, b stream.Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
}

// streamBegins looks for the new pipeline's beginning in its output, and where that has nothing yet, in its group's commits: with start_at last the first commit is the place where it began.
func (r *Reembed) streamBegins(ctx context.Context, now past) (*begun, error) {
	b := &begun{begin: map[stream.Partition]int64{}}
	if r.noStream || len(r.New.Topics) == 0 {
		return b, nil
	}
	if r.auditor.log == nil {
		return nil, fmt.Errorf("the configuration names no brokers, and %s reads topics; --no-stream if nothing comes there any more", r.Old.Name)
	}
	logs, _, err := r.auditor.bounds(ctx, r.New) // commits before the output: one that is made meanwhile is behind the output's beginning
	if err != nil {
		return nil, err
	}
	b.logs = logs
	for _, part := range slices.SortedFunc(maps.Keys(logs), byTopic) { // so that of several the same is named each time
		log := logs[part]
		if part.Topic == r.topic { // what comes there is of the plan
			continue
		}
		src := schemas.SourceID{Pipeline: r.New.Name, Topic: part.Topic, Partition: part.ID}
		span, known, err := now.span(ctx, src)
		switch {
		case err != nil:
			return nil, err
		case known && span.First < 0:
			return nil, fmt.Errorf("where %s began with %s was told by snapshots that are expired; give it a table of its own, and begin anew", r.New.Name, part)
		case known:
			b.begin[part] = span.First
		case log.Committed >= 0:
			b.begin[part] = log.Committed
		default:
			return nil, fmt.Errorf("%s has not begun with %s: start the workers with this configuration (start_at: last for %s), so that what comes from now on is computed by both, and give the command again when they have been dealt their partitions; --no-stream if nothing comes there any more", r.New.Name, part, r.New.Name)
		}
	}
	return b, nil
}
