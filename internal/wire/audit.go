package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/audit"
	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// Audited is the report on one source in one output.
type Audited struct {
	Pipeline string `json:"pipeline"`
	Output   string `json:"output"`
	audit.Report
	index      int  // of the output in the configuration: two may have one name
	bestEffort bool // the output may lack rows
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

// Total is what an audit has found in one output.
type Total struct {
	Pipeline, Output              string
	Sources                       int   // partitions of topics, and lists
	Offsets                       int64 // that its parts cover
	Computed, Dead, Skipped, Lost int64 // of these
	Untold                        int64 // and of these: nobody knows any more what became of them
	Rows, Faults                  int64
	Deleted                       bool // tombstones have taken rows away
}

// Totals adds up what Audit has found, for each output.
func Totals(all []Audited) []Total {
	var totals []Total
	for i := range all {
		r := &all[i]
		if i == 0 || r.Pipeline != all[i-1].Pipeline || r.index != all[i-1].index {
			totals = append(totals, Total{Pipeline: r.Pipeline, Output: r.Output})
		}
		t := &totals[len(totals)-1]
		t.Sources++
		for _, s := range r.Covered {
			t.Offsets += s.Next - s.First
		}
		t.Computed += r.Computed
		t.Dead += r.Dead
		t.Skipped += r.Skipped
		t.Lost += r.Lost
		t.Untold += r.Untold
		t.Rows += r.Rows
		t.Deleted = t.Deleted || r.Deleted
		t.Faults += r.Faults
	}
	return totals
}

// String is a line for people.
func (t Total) String() string {
	deleted, untold, found := "", "", "no offences"
	if t.Deleted {
		deleted = "; some are deleted since"
	}
	if t.Untold > 0 {
		untold = fmt.Sprintf(", and %d of which nobody knows any more what became of them", t.Untold)
	}
	if t.Faults > 0 {
		found = fmt.Sprintf("OFFENCES: %d", t.Faults)
	}
	return fmt.Sprintf("%s in %s: %d offsets of %d sources: %d with rows (%d rows%s), %d dead letters, %d skipped, %d lost%s; %s",
		t.Pipeline, t.Output, t.Offsets, t.Sources, t.Computed, t.Rows, deleted, t.Dead, t.Skipped, t.Lost, untold, found)
}

type auditor struct {
	c      *config.Config
	o      AuditOptions
	stores *stores
	log    *kafkasource.Log // nil: not compared
}

func (a *auditor) pipeline(ctx context.Context, p *config.Pipeline) ([]Audited, error) {
	before, missing, err := a.bounds(ctx, p) // commits, before the output is read: one that is made meanwhile is not held against it
	if err != nil {
		return nil, err
	}
	var all []Audited
	for i := range p.Outputs {
		out, name, err := a.output(ctx, &p.Outputs[i])
		if errors.Is(err, errNoAccount) {
			a.o.Log.Warn("an output that keeps no account of offsets is not audited", "pipeline", p.Name, "output", fmt.Sprintf("outputs[%d]", i), "kind", p.Outputs[i].Kind())
			continue
		}
		if err != nil {
			return nil, err
		}
		reports, err := audit.All(ctx, out, p.Name)
		if c, ok := out.(interface{ Close() }); ok {
			c.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		computedTwice(reports)
		first := len(all)
		for _, r := range reports {
			all = append(all, Audited{p.Name, name, r, i, p.Outputs[i].BestEffort})
		}
		for part := range before { // partitions of which the output has nothing
			if r := (audit.Report{Topic: part.Topic, Partition: part.ID}); !has(reports, &r) {
				all = append(all, Audited{p.Name, name, r, i, p.Outputs[i].BestEffort})
			}
		}
		slices.SortStableFunc(all[first:], func(a, b Audited) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	for _, topic := range missing {
		if slices.ContainsFunc(all, func(x Audited) bool { return x.Topic == topic }) {
			return nil, fmt.Errorf("the outputs have rows of topic %s, which does not exist any more; --kafka=false audits the outputs alone", topic)
		}
		a.o.Log.Warn("a topic of the configuration does not exist, and no output has anything of it", "pipeline", p.Name, "topic", topic)
	}
	if err := a.compareLog(ctx, p, before, all); err != nil {
		return nil, err
	}
	return all, a.compareLetters(ctx, p, all)
}

// computedTwice finds lists that an output has both as a whole and in shares: their references have other numbers in each, so that no account of one of them shows it.
func computedTwice(reports []audit.Report) {
	for i := range reports {
		whole := &reports[i]
		if whole.Partition > 0 || whole.Next == 0 || !strings.HasPrefix(whole.Topic, dlq.ManifestTopic) {
			continue
		}
		if n := slices.IndexFunc(reports, func(r audit.Report) bool { return r.Topic == whole.Topic && r.Partition > 0 && r.Next > 0 }); n >= 0 {
			whole.Faults++
			whole.Offences = append(whole.Offences, fmt.Sprintf("the list was computed as a whole and in shares (partition %d): its references may be there twice", reports[n].Partition))
		}
	}
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
	if c, _ := o.Files(); c != nil {
		store, prefix, err := a.stores.openPatient(ctx, c.URL)
		return audit.Parquet{Store: store, Prefix: prefix, Layout: parquetsink.Layout(c.Layout)}, c.URL, err
	}
	switch {
	case o.Postgres != nil:
		out, err := openPgvector(ctx, o.Postgres)
		return out, "table " + o.Postgres.Table, err
	case o.Iceberg != nil:
		out, err := openIceberg(ctx, o.Iceberg, a.stores)
		return out, "table " + o.Iceberg.Table, err
	}
	return nil, "", errNoAccount
}

// errNoAccount says that an output does not tell what became of each offset.
var errNoAccount = errors.New("the output keeps no account of offsets")

// bounds are those of every partition of the pipeline's topics; none without Kafka. A topic that does not exist is missing: a configuration for manifests
// alone may name any.
func (a *auditor) bounds(ctx context.Context, p *config.Pipeline) (of map[stream.Partition]stream.Bounds, missing []string, err error) {
	if a.log == nil {
		return nil, nil, nil
	}
	var parts []stream.Partition
	for _, t := range p.Topics {
		some, err := a.log.Partitions(ctx, t)
		switch {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			missing = append(missing, t)
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("%w; --kafka=false audits the outputs alone", err)
		}
		parts = append(parts, some...)
	}
	of, err = a.log.Bounds(ctx, p.Group, parts)
	return of, missing, err
}

func (a *auditor) compareLog(ctx context.Context, p *config.Pipeline, before map[stream.Partition]stream.Bounds, all []Audited) error {
	after, _, err := a.bounds(ctx, p)
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
		r.CompareLog(audit.Log{Begin: before[part].First, End: b.End, Committed: before[part].Committed}, p.StartAt == string(stream.StartLast), r.bestEffort)
	}
	return nil
}

// compareLetters reads the pipeline's letters once for all its sources.
func (a *auditor) compareLetters(ctx context.Context, p *config.Pipeline, all []Audited) error {
	if !a.o.Letters {
		return nil
	}
	found, err := a.letters(ctx, p)
	if err != nil || found.of == nil {
		return err
	}
	for i := range all {
		all[i].CompareLetters(found.of[all[i].Source(p.Name)], found.kept)
	}
	return nil
}

// letterOffsets are the offsets of a pipeline's letters.
type letterOffsets struct {
	of         map[schemas.SourceID]map[int64]bool // nil: it has no store of them that can be read
	kept       bool                                // the store forgets nothing
	unreadable int                                 // letters of the store, perhaps of other pipelines
}

// all says whether a record without a letter among them has none.
func (l *letterOffsets) all() bool { return l.of != nil && l.kept && l.unreadable == 0 }

// letters reads a pipeline's letters.
func (a *auditor) letters(ctx context.Context, p *config.Pipeline) (*letterOffsets, error) {
	found := &letterOffsets{}
	if p.DeadLetters == (config.DeadLetters{}) || p.DeadLetters.Topic != "" && a.log == nil {
		return found, nil
	}
	letters, err := OpenLettersAt(ctx, a.c, []config.DeadLetters{p.DeadLetters}, a.o.Log)
	if err != nil {
		return nil, err
	}
	defer letters.Close()
	found.of = map[schemas.SourceID]map[int64]bool{}
	if err := letters.Stores[0].Letters(ctx, func(l sinks.StoredLetter) error {
		switch {
		case l.Err != nil:
			found.unreadable++
			return nil
		case l.Source.Pipeline != p.Name:
			return nil
		}
		if found.of[l.Source] == nil {
			found.of[l.Source] = map[int64]bool{}
		}
		found.of[l.Source][l.Offset] = true
		return nil
	}); err != nil {
		return nil, fmt.Errorf("reading dead letters: %w", err)
	}
	found.kept = true
	if t, ok := letters.Stores[0].LetterReader.(*topicLetters); ok {
		found.kept, err = t.complete(ctx)
	}
	return found, err
}
