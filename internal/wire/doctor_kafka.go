package wire

import (
	"context"
	"fmt"
	"log/slog"

	"vecmill/internal/config"
	"vecmill/stream"
)

// kafka looks at the topics that a pipeline reads, and at what this user may do with them and with the group.
func (d *doctor) kafka(ctx context.Context, p *config.Pipeline) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "kafka " + p.Name
	log, err := kafkaLog(d.c, slog.New(slog.DiscardHandler))
	if err != nil {
		d.fault(check, err)
		return
	}
	defer log.Close()
	for _, topic := range p.Topics {
		parts, err := log.Partitions(ctx, topic)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check kafka.brokers, the topic's name and the rights to describe it", err))
			continue
		}
		bounds, err := log.Bounds(ctx, p.Group, parts)
		if err != nil {
			d.fault(check, fmt.Errorf("%w; check the rights to read topic %s and group %s", err, topic, p.Group))
			continue
		}
		if err := mayRead(ctx, d.c, parts[0], bounds[parts[0]].End); err != nil {
			d.fault(check, err)
			continue
		}
		records, lag, fresh := spread(bounds)
		text := fmt.Sprintf("topic %s has %d partitions and %d records; group %s is %d behind", topic, len(parts), records, p.Group, lag)
		if fresh == len(parts) {
			text = fmt.Sprintf("topic %s has %d partitions and %d records; group %s has committed nothing yet", topic, len(parts), records, p.Group)
		}
		d.say(check, Sound, "%s", text)
	}
	if err := mayJoin(ctx, d.c, p.Group); err != nil {
		d.fault(check, err)
	}
}

// registry asks the schema registry of a pipeline's input, if it has one, as a start does.
func (d *doctor) registry(ctx context.Context, p *config.Pipeline) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	check := "registry " + p.Name
	in, err := newInput(p, slog.New(slog.DiscardHandler))
	if err == nil {
		err = in.check(ctx, &Options{})
	}
	if err != nil {
		d.fault(check, err)
		return
	}
	if in.registry != nil {
		d.say(check, Sound, "the schema registry at %v answers; whether it knows the schemas of the records is seen with the first", p.Input.Registry.URLs)
	}
}

// spread adds partitions up; fresh is the number of those without a commit.
func spread(bounds map[stream.Partition]stream.Bounds) (records, lag int64, fresh int) {
	for _, b := range bounds {
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
