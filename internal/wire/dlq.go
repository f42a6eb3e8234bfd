package wire

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/internal/dlq"
	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/kafkaletters"
	"vecmill/sinks/objectletters"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// LetterStore is a dead-letter store, named as the configuration names it.
type LetterStore struct {
	Name string // the topic, or the URL
	sinks.LetterReader
}

// Letters are the dead-letter stores of a configuration, opened for reading. Create it with OpenLetters, and Close it.
type Letters struct {
	Stores []LetterStore
	log    *kafkasource.Log // nil without brokers
	stores *stores
	asked  map[string]*askedOutputs // by pipeline
}

// askedOutputs are a pipeline's required outputs that keep account of offsets.
type askedOutputs struct {
	all   []past
	close func()
}

// OpenLetters opens the dead-letter stores of every pipeline, each once. Nothing is read yet.
func OpenLetters(ctx context.Context, c *config.Config, log *slog.Logger) (_ *Letters, err error) {
	var all []config.DeadLetters
	for i := range c.Pipelines {
		all = append(all, c.Pipelines[i].DeadLetters)
	}
	return OpenLettersAt(ctx, c, all, log)
}

// OpenLettersAt opens the dead-letter stores that are given; c says how to reach them.
func OpenLettersAt(ctx context.Context, c *config.Config, at []config.DeadLetters, log *slog.Logger) (_ *Letters, err error) {
	l := &Letters{stores: &stores{cfg: c}, asked: map[string]*askedOutputs{}}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if len(c.Kafka.Brokers) > 0 {
		if l.log, err = kafkaLog(c, log); err != nil {
			return nil, err
		}
	}
	seen := map[config.DeadLetters]bool{{}: true} // a pipeline without dead letters
	for _, d := range at {
		if seen[d] {
			continue
		}
		seen[d] = true
		switch {
		case d.Topic != "" && l.log == nil:
			return nil, fmt.Errorf("dead-letter topic %s: kafka.brokers is missing", d.Topic)
		case d.Topic != "":
			l.Stores = append(l.Stores, LetterStore{d.Topic, &topicLetters{log: l.log, topic: d.Topic, policy: retry.Default()}})
		default:
			store, prefix, err := l.stores.open(ctx, d.URL)
			if err != nil {
				return nil, fmt.Errorf("dead letters at %s: %w", d.URL, err)
			}
			l.Stores = append(l.Stores, LetterStore{d.URL, objectletters.NewReader(store, prefix, retry.Default())})
		}
	}
	if len(l.Stores) == 0 {
		return nil, errors.New("no pipeline of this configuration has dead letters")
	}
	return l, nil
}

// Close closes the connections to the brokers and to outputs.
func (l *Letters) Close() {
	if l.log != nil {
		l.log.Close()
	}
	for _, a := range l.asked {
		a.close()
	}
}

// Settled asks the outputs that the configuration has for a source's pipeline: see dlq.ReplayOptions. Of files it looks at what those of the span say of themselves.
// A pipeline that is not in the configuration, or has no output that tells, has nothing.
func (l *Letters) Settled(ctx context.Context, src schemas.SourceID, in schemas.Span) ([]schemas.Span, error) {
	outputs, err := l.outputs(ctx, src.Pipeline)
	if err != nil {
		return nil, err
	}
	var rows, dead []schemas.Span
	for _, out := range outputs {
		t, err := toldBy(ctx, out, src, in)
		if err != nil {
			return nil, err
		}
		without, err := withoutRows(ctx, out, src, t.untold) // a table has rows of snapshots that are expired, too
		if err != nil {
			return nil, err
		}
		rows, dead = append(rows, stretches{in}.minus(without).minus(t.none)...), append(dead, t.dead...)
	}
	return stretchesOf(in, rows...).minus(stretchesOf(in, dead...)), nil
}

// outputs are opened once for each pipeline.
func (l *Letters) outputs(ctx context.Context, pipeline string) ([]past, error) {
	if a := l.asked[pipeline]; a != nil {
		return a.all, nil
	}
	all := l.stores.cfg.Pipelines
	i := slices.IndexFunc(all, func(p config.Pipeline) bool { return p.Name == pipeline })
	if i < 0 {
		return nil, nil
	}
	outputs, closeAll, err := pastsOf(ctx, l.stores, &all[i])
	if errors.Is(err, errNoneTells) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l.asked[pipeline] = &askedOutputs{outputs, closeAll}
	return outputs, nil
}

// Replay is dlq.Replay of one store into Kafka.
func (l *Letters) Replay(ctx context.Context, from LetterStore, o dlq.ReplayOptions, tell func(dlq.Outcome)) (dlq.Summary, error) {
	if l.log == nil {
		return dlq.Summary{}, errors.New("kafka.brokers (--brokers) is missing: there is no topic to put records back into")
	}
	o.Permanent, o.Retry = kafkasource.Permanent, retry.Default()
	return dlq.Replay(ctx, from, l.log, o, tell)
}

// kafkaLog opens the brokers outside of any group.
func kafkaLog(c *config.Config, log *slog.Logger) (*kafkasource.Log, error) {
	tlsConfig, mechanism, err := kafkaAccess(&c.Kafka)
	if err != nil {
		return nil, err
	}
	k := kafkasource.NewDefaultConfig()
	k.Brokers, k.ClientID, k.TLS, k.SASL, k.Log = c.Kafka.Brokers, c.Kafka.ClientID, tlsConfig, mechanism, log
	k.FetchMaxBytes = 4 << 20 // a scan has one request at a time
	return kafkasource.OpenLog(k)
}

// topicLetters are the letters of a topic. It implements sinks.LetterReader.
type topicLetters struct {
	log    *kafkasource.Log
	topic  string
	policy retry.Policy
}

// each calls f for every message of the topic.
func (t *topicLetters) each(ctx context.Context, f func(p stream.Partition, r stream.Record, m kafka.Message) error) error {
	parts, err := t.log.Partitions(ctx, t.topic)
	if err != nil {
		return err
	}
	bounds, err := t.log.Bounds(ctx, "", parts)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := t.log.Scan(ctx, p, bounds[p].First, bounds[p].End, func(r stream.Record) error {
			m := kafka.Message{Key: r.Key, Value: r.Value, Time: r.Time}
			for _, h := range r.Headers {
				m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
			}
			return f(p, r, m)
		}); err != nil {
			return err
		}
	}
	return nil
}

// complete says whether the topic still has its first message: retention has removed nothing.
func (t *topicLetters) complete(ctx context.Context) (bool, error) {
	parts, err := t.log.Partitions(ctx, t.topic)
	if err != nil {
		return false, err
	}
	bounds, err := t.log.Bounds(ctx, "", parts)
	for _, b := range bounds {
		if b.First > 0 {
			return false, err
		}
	}
	return true, err
}

// Letters implements sinks.LetterReader.
func (t *topicLetters) Letters(ctx context.Context, each func(sinks.StoredLetter) error) error {
	return t.each(ctx, func(p stream.Partition, r stream.Record, m kafka.Message) error {
		if _, mark := kafkaletters.ParseMark(m); mark || r.Value == nil && len(r.Headers) == 0 { // or somebody removed a letter by a tombstone
			return nil
		}
		l, err := kafkaletters.Parse(m)
		return each(sinks.StoredLetter{Letter: l, Place: fmt.Sprintf("%s offset %d", p, r.Offset), Written: r.Time, Err: err})
	})
}

// Replayed implements sinks.LetterReader.
func (t *topicLetters) Replayed(ctx context.Context) (map[schemas.Origin]bool, error) {
	marks := map[schemas.Origin]bool{}
	err := t.each(ctx, func(_ stream.Partition, _ stream.Record, m kafka.Message) error {
		if o, ok := kafkaletters.ParseMark(m); ok {
			marks[o] = true
		}
		return nil
	})
	return marks, err
}

// MarkReplayed implements sinks.LetterReader. A mark that an unclear answer left there twice is one mark.
func (t *topicLetters) MarkReplayed(ctx context.Context, of []schemas.Origin) error {
	parts, err := t.log.Partitions(ctx, t.topic)
	if err != nil {
		return err
	}
	marks := map[stream.Partition][]stream.Record{}
	for _, o := range of {
		m := kafkaletters.Mark(o)
		h := fnv.New32a()
		_, _ = h.Write(m.Key) // a hash takes everything
		p := parts[h.Sum32()%uint32(len(parts))]
		r := stream.Record{Key: m.Key, Value: m.Value}
		for _, x := range m.Headers {
			r.Headers = append(r.Headers, sinks.Header{Key: x.Key, Value: x.Value})
		}
		marks[p] = append(marks[p], r)
	}
	for p, recs := range marks {
		if _, err := retry.Do(ctx, t.policy, kafkasource.Permanent, func(ctx context.Context) error { return t.log.Append(ctx, p, recs) }); err != nil {
			return fmt.Errorf("marking letters as replayed: %w", err)
		}
	}
	return nil
}
