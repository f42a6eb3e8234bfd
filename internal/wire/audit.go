package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
	"vecmill/stream/manifestsource"
)

// Audited is the report on one source in one output.
type Audited struct {
	Pipeline string `json:"pipeline"`
	Output   string `json:"output"`
	audit.Report
}

// AuditOptions say what the outputs are compared with.
type AuditOptions struct {
	Kafka   bool // the log's bounds and the group's commits, where the configuration names brokers and topics
	Letters bool // the dead-letter stores
	Log     *slog.Logger
}

// Audit examines every output of every pipeline.
func Audit(ctx context.Context, c *config.Config, o AuditOptions) ([]Audited, error) {
	a := &auditor{c: c, o: o, stores: &stores{cfg: c}}
	if o.Kafka && len(c.Kafka.Brokers) > 0 {
		var err error
		if a.log, err = kafkaLog(c, o.Log); err != nil {
			return nil, err
		}
		defer a.log.Close()
	}
	var all []Audited
	for i := range c.Pipelines {
		got, err := a.pipeline(ctx, &c.Pipelines[i])
		if err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", c.Pipelines[i].Name, err)
		}
		all = append(all, got...)
	}
	return all, nil
}

type auditor struct {
	c      *config.Config
	o      AuditOptions
	stores *stores
	log    *kafkasource.Log // nil: not compared
}

func (a *auditor) pipeline(ctx context.Context, p *config.Pipeline) ([]Audited, error) {
	before, err := a.bounds(ctx, p) // commits, before the output is read: one that is made meanwhile is not held against it
	if err != nil {
		return nil, err
	}
	var all []Audited
	for i := range p.Outputs {
		out, name, err := a.output(ctx, &p.Outputs[i])
		if err != nil {
			return nil, err
		}
		reports, err := audit.All(ctx, out, p.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, r := range reports {
			all = append(all, Audited{p.Name, name, r})
		}
		for part := range before { // partitions of which the output has nothing
			if r := (audit.Report{Topic: part.Topic, Partition: part.ID}); !has(reports, &r) {
				all = append(all, Audited{p.Name, name, r})
			}
		}
	}
	if err := a.compareLog(ctx, p, before, all); err != nil {
		return nil, err
	}
	return all, a.compareLetters(ctx, p, all)
}

func has(all []audit.Report, r *audit.Report) bool {
	for i := range all {
		if all[i].Topic == r.Topic && all[i].Partition == r.Partition {
			return true
		}
	}
	return false
}

// output is the table of what can be audited.
func (a *auditor) output(ctx context.Context, o *config.Output) (audit.Output, string, error) {
	switch {
	case o.Parquet != nil:
		store, prefix, err := a.stores.open(ctx, o.Parquet.URL)
		return audit.Parquet{Store: store, Prefix: prefix}, o.Parquet.URL, err
	}
	return nil, "", errors.New("an output of a kind that this build cannot audit")
}

// bounds are those of every partition of the pipeline's topics; none without Kafka.
func (a *auditor) bounds(ctx context.Context, p *config.Pipeline) (map[stream.Partition]stream.Bounds, error) {
	if a.log == nil {
		return nil, nil
	}
	var parts []stream.Partition
	for _, t := range p.Topics {
		some, err := a.log.Partitions(ctx, t)
		if err != nil {
			return nil, err
		}
		parts = append(parts, some...)
	}
	return a.log.Bounds(ctx, p.Group, parts)
}

func (a *auditor) compareLog(ctx context.Context, p *config.Pipeline, before map[stream.Partition]stream.Bounds, all []Audited) error {
	after, err := a.bounds(ctx, p)
	if err != nil {
		return err
	}
	for i := range all {
		r := &all[i]
		part := stream.Partition{Topic: r.Topic, ID: r.Partition}
		b, ok := after[part]
		if !ok || strings.HasPrefix(r.Topic, dlq.ManifestTopic) {
			continue
		}
		r.CompareLog(audit.Log{Begin: before[part].First, End: b.End, Committed: before[part].Committed}, p.StartAt == string(stream.StartLast))
	}
	return nil
}

// compareLetters reads the pipeline's letters once for all its sources.
func (a *auditor) compareLetters(ctx context.Context, p *config.Pipeline, all []Audited) error {
	if !a.o.Letters || p.DeadLetters == (config.DeadLetters{}) || p.DeadLetters.Topic != "" && a.log == nil {
		return nil
	}
	letters, err := OpenLettersAt(ctx, a.c, []config.DeadLetters{p.DeadLetters}, a.o.Log)
	if err != nil {
		return err
	}
	defer letters.Close()
	offsets := map[schemas.SourceID]map[int64]bool{}
	if err := letters.Stores[0].Letters(ctx, func(l sinks.StoredLetter) error {
		if l.Err != nil || l.Source.Pipeline != p.Name {
			return nil
		}
		if offsets[l.Source] == nil {
			offsets[l.Source] = map[int64]bool{}
		}
		offsets[l.Source][l.Offset] = true
		return nil
	}); err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	complete := true
	if t, ok := letters.Stores[0].LetterReader.(*topicLetters); ok {
		if complete, err = t.complete(ctx); err != nil {
			return err
		}
	}
	for i := range all {
		all[i].CompareLetters(offsets[all[i].Source(p.Name)], complete)
	}
	return nil
}

// ManifestSource reads a manifest in place of Kafka.
func ManifestSource(path, name string) func(*config.Pipeline) (stream.Source, error) {
	return func(*config.Pipeline) (stream.Source, error) { return manifestsource.New(path, name) }
}
