package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/config"
	"vecmill/sinks/kafkaletters"
	"vecmill/sinks/kafkasink"
	"vecmill/stream/kafkasource"
)

// source tells what a worker reads from and the configuration does not have. A backfill needs none of it.
func (d *doctor) source() {
	if invalid, ok := errors.AsType[*config.InvalidError](d.c.ValidateSource()); ok {
		for _, fault := range invalid.Faults {
			d.say("kafka", Doubt, "%s: worker run refuses this file, and only a backfill reads without", fault)
		}
	}
}

// kafka looks at the topics that a pipeline reads, and at what this user may do with them and with the group. It gives the bounds of the partitions that may be read.
func (d *doctor) kafka(ctx context.Context, p *config.Pipeline) bounds {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "kafka " + p.Name
	log, err := kafkaLog(d.c, slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault(check, err)
		return nil
	}
	defer log.Close()
	all := bounds{}
	for _, topic := range p.Topics {
		parts, err := log.Partitions(ctx, topic)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check kafka.brokers, the topic's name and the rights to describe it", err))
			continue
		}
		of, err := log.Bounds(ctx, p.Group, parts)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check the rights to read topic %s and group %s", err, topic, p.Group))
			continue
		}
		if err := mayRead(ctx, d.c, parts[0], of[parts[0]].End); err != nil {
			d.fault(check, err)
			continue
		}
		records, lag, fresh := spread(of)
		text := fmt.Sprintf("topic %s has %d partitions and %d records; group %s is %d behind", topic, len(parts), records, p.Group, lag)
		if fresh == len(parts) {
			text = fmt.Sprintf("topic %s has %d partitions and %d records; group %s has committed nothing yet", topic, len(parts), records, p.Group)
		}
		d.say(check, Sound, "%s", text)
		maps.Copy(all, of)
	}
	err = mayJoin(ctx, d.c, p.Group)
	if err == nil {
		err = d.wouldJoin(ctx, p)
	}
	if err != nil {
		d.fault(check, err)
	}
	return all
}

// wouldJoin asks whether the group would take a worker of this configuration, which joins nothing.
func (d *doctor) wouldJoin(ctx context.Context, p *config.Pipeline) error {
	k, err := kafkaConfig(d.c, p, slog.New(slog.DiscardHandler))
	if err == nil {
		err = kafkasource.AskToJoin(ctx, k)
	}
	if err != nil {
		return fmt.Errorf("group %s: %w", p.Group, err)
	}
	return nil
}

// assumed says that a topic of rows does not tell this user how large a message may be, and what is assumed then; "" if it does.
func (d *doctor) assumed(ctx context.Context, topic string) string {
	transport, err := kafkaTransport(d.c)
	if err != nil {
		return err.Error()
	}
	defer transport.CloseIdleConnections()
	if _, err = kafkasink.MaxMessage(ctx, &kafka.Client{Addr: kafka.TCP(d.c.Kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second}, topic); err == nil {
		return ""
	}
	return fmt.Sprintf("max.message.bytes of topic %s cannot be told (%v): %d are assumed, and a larger row is a dead letter; give this user the right to describe its configuration", topic, err, kafkasink.DefaultMaxMessage)
}

// narrow says which of a pipeline's topics may have records whose letters its topic of dead letters does not take; "" if there is none, or no such topic.
func (d *doctor) narrow(ctx context.Context, p *config.Pipeline) string {
	if p.DeadLetters.Topic == "" || len(p.Topics) == 0 {
		return ""
	}
	transport, err := kafkaTransport(d.c)
	if err != nil {
		return err.Error()
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(d.c.Kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second}
	takes, err := kafkasink.MaxMessage(ctx, client, p.DeadLetters.Topic)
	most, of := 0, ""
	for i := 0; err == nil && i < len(p.Topics); i++ {
		var n int
		if n, err = kafkasink.MaxMessage(ctx, client, p.Topics[i]); n > most {
			most, of = n, p.Topics[i]
		}
	}
	need := most + kafkaletters.Headroom
	switch {
	case err != nil:
		return fmt.Sprintf("whether its max.message.bytes is that of the records' topics and %d more cannot be told (%v): see to it, or give this user the right to describe the topics' configurations", kafkaletters.Headroom, err)
	case takes < need:
		return fmt.Sprintf("topic %s takes messages of %d bytes, and topic %s has records of up to %d: a letter is its record and headers, and one that does not fit ends the pipeline; raise max.message.bytes of %s to %d, or keep letters in an object store (dead_letters.url)",
			p.DeadLetters.Topic, takes, of, most, p.DeadLetters.Topic, need)
	}
	return ""
}

// registry asks the schema registry of a pipeline's input, if it has one, as a start does.
func (d *doctor) registry(ctx context.Context, p *config.Pipeline) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "registry " + p.Name
	in, err := newInput(p, slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault(check, err)
		return
	}
	err = in.check(ctx, &Options{})
	switch {
	case err != nil && d.c.ValidateSource() != nil:
		d.say(check, Doubt, "%v; a backfill does not ask it", err)
	case err != nil:
		d.fault(check, err)
	case in.registry != nil:
		d.say(check, Sound, "the schema registry at %v answers; whether it knows the schemas of the records is seen with the first", p.Input.Registry.URLs)
	}
}

// spread adds partitions up; fresh is the number of those without a commit.
func spread(of bounds) (records, lag int64, fresh int) {
	for _, b := range of {
		records += b.End - b.First
		if b.Committed < 0 {
			fresh++
			lag += b.End - b.First
			continue
		}
		lag += max(0, b.End-max(b.Committed, b.First))
	}
	return records, lag, fresh
}
