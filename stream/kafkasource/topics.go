package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
)

type missingTopicError struct {
	topic string
	err   error
}

func (e *missingTopicError) Error() string {
	return fmt.Sprintf("topic %q: %v; create the topic, or correct the list of topics", e.topic, e.err)
}

func (e *missingTopicError) Unwrap() error { return e.err }

// errAbsent is the reason of a missingTopicError that brokers give for a topic which was never made, or was deleted.
var errAbsent = errors.New("does not exist")

// findTopics gives the number of partitions of each topic. It gives no leave to create a topic, and so never undoes a deletion.
func (b *broker) findTopics(ctx context.Context) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	meta, err := b.client.Metadata(ctx, &kafka.MetadataRequest{Topics: b.cfg.Topics})
	if err != nil {
		return nil, err
	}
	parts := make(map[string]int, len(meta.Topics))
	for _, t := range meta.Topics {
		switch {
		case errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			return nil, &missingTopicError{t.Name, errAbsent}
		case t.Error != nil:
			return nil, &missingTopicError{t.Name, t.Error}
		case len(t.Partitions) == 0:
			return nil, &missingTopicError{t.Name, errors.New("has no partitions")}
		}
		parts[t.Name] = len(t.Partitions)
	}
	return parts, nil
}

// lookAtTopics is findTopics for a source that runs: it does not take one answer's word for it that a topic is gone, since a broker that has just started may
// not know its topics yet, and asks as often as a start does.
func (b *broker) lookAtTopics(ctx context.Context) (map[string]int, error) {
	parts, err := b.findTopics(ctx)
	if errors.Is(err, errAbsent) {
		b.log.Warn("a topic is not to be found; looking again", "err", err)
		parts, err = b.preflight(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return parts, err
}

// watchTopics looks at the topics at once and then every WatchInterval. It returns nil once the group should be joined anew, because a topic has another number of partitions than before the
// member joined, or when ctx ends; and when a topic is gone, the error that a start would give. spare says that the generation has nothing for this member.
//
// kafka-go's own watcher is not used. It asks with leave to create topics, which brings back one that was deleted where brokers allow that. And it ends the generation of a topic that is
// gone, whereupon the leader, which asks for the partitions of all topics at once and is refused all for the one, deals out nothing, and the next generation ends as soon: without end, without a wait and without an error.
func (b *broker) watchTopics(ctx context.Context, spare bool) error {
	for again := false; ; again = true {
		parts, err := b.lookAtTopics(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errAbsent):
			return err
		case err != nil:
			b.log.Debug("looking at the topics failed", "err", err)
		case !maps.Equal(parts, b.parts):
			b.log.Info("topics have other numbers of partitions than before; joining the group anew", "before", b.parts, "now", parts)
			return nil
		case spare && again && b.nothingDealt(ctx):
			b.log.Warn("no member of the group has a partition, although the topics have some; joining the group anew")
			return nil
		}
		if !retry.Sleep(ctx, b.cfg.WatchInterval) {
			return nil
		}
	}
}

// nothingDealt says whether the group's leader has given nobody anything: it did not see the topics at that moment, which it takes for topics without partitions, and nobody would ask it again.
func (b *broker) nothingDealt(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := b.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{b.cfg.Group}})
	if err != nil || len(res.Groups) != 1 || res.Groups[0].Error != nil || res.Groups[0].GroupState != "Stable" { // in other states nobody has anything yet
		return false
	}
	for _, m := range res.Groups[0].Members {
		for _, t := range m.MemberAssignments.Topics {
			if len(t.Partitions) > 0 {
				return false
			}
		}
	}
	return true
}

// beforeJoin looks at the topics between two generations, so that partitions that come while the group is being joined are seen by watchTopics. It fails if a topic is gone: a leader asks kafka-go's way,
// with leave to create topics.
func (b *broker) beforeJoin(ctx context.Context) error {
	parts, err := b.lookAtTopics(ctx)
	switch {
	case errors.Is(err, errAbsent):
		return err
	case err == nil:
		b.parts = parts
	}
	return nil
}
