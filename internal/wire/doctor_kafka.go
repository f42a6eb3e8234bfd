package wire

import (
	"context"
	"fmt"
	"log/slog"
	"maps"

	"vecmill/internal/config"
)

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
	if err := mayJoin(ctx, d.c, p.Group); err != nil {
		d.fault(check, err)
	}
	return all
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
