package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/stream"
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
// not know its topics yet, and is as patient as with outputs, through a broker's restart: work goes on meanwhile. It asks other brokers at once, and not what is cached of the one that answered.
// The error is errAbsent, too, if ctx ends and that was the last answer.
func (b *broker) lookAtTopics(ctx context.Context) (map[string]int, error) {
	parts, err := b.findTopics(ctx)
	if errors.Is(err, errAbsent) {
		b.log.Warn("a topic is not to be found; looking again", "err", err)
		b.reset()
		parts, err = b.preflight(ctx, theTopics, retry.Patient().Attempts)
	}
	if err == nil {
		b.works(theTopics)
	}
	return parts, err
}

// watchTopics looks at the topics at once and then every WatchInterval. It returns nil once the group should be joined anew, because a topic has another number of partitions than before the
// member joined or the leader has left some to nobody, or when ctx ends; and when a topic is gone, the error that a start would give. mine are this member's partitions.
//
// kafka-go's own watcher is not used. It asks with leave to create topics, which brings back one that was deleted where brokers allow that. And it ends the generation of a topic that is
// gone, whereupon the leader, which asks for the partitions of all topics at once and is refused all for the one, deals out nothing, and the next generation ends as soon: without end, without a wait and without an error.
func (b *broker) watchTopics(ctx context.Context, mine map[stream.Partition]int64) error {
	for looks := 0; ; looks++ {
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
		case looks >= 1<<min(max(b.gaps-1, 0), 4): // a generation has had time to settle, and a leader that does not learn, as one of an earlier version, is asked less and less often
			left, told := b.undealt(ctx, parts, mine)
			if len(left) > 0 {
				b.gaps++
				b.log.Warn("no member of the group has some of the topics' partitions; joining the group anew", "partitions", parts, "without_member", left)
				return nil
			}
			if told {
				b.gaps = 0
			}
		}
		if !retry.Sleep(ctx, b.cfg.WatchInterval) {
			return nil
		}
	}
}

// mostBlank is how often in a row a group is joined anew in which nobody has anything, for all that the broker tells: about eight minutes of a leader that sees no topic. A broker that tells nobody's partitions says the same
// to members that have none, and would have them join without end.
const mostBlank = 5

// undealt says how many partitions of each topic no member of the group has; of a topic of which members have all it says nothing. The leader deals out what the coordinator's broker knows at that moment, which may know fewer
// than the one that was asked for parts, or not the topic, which is taken for one without partitions; and nobody would ask it again. told is false if the broker does not tell who has what, as where its answer is without mine.
func (b *broker) undealt(ctx context.Context, parts map[string]int, mine map[stream.Partition]int64) (left map[string]int, told bool) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := b.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{b.cfg.Group}})
	if err != nil || len(res.Groups) != 1 || res.Groups[0].Error != nil || res.Groups[0].GroupState != "Stable" { // in other states nobody has anything yet; an error is also what members of other programs have, if it cannot be read
		return nil, false
	}
	dealt := map[stream.Partition]bool{}
	for _, m := range res.Groups[0].Members {
		for _, t := range m.MemberAssignments.Topics {
			for _, id := range t.Partitions {
				dealt[stream.Partition{Topic: t.Topic, ID: id}] = true
			}
		}
	}
	if len(dealt) == 0 && b.gaps >= mostBlank {
		return nil, false
	}
	for p := range mine {
		if !dealt[p] {
			return nil, false
		}
	}
	left = map[string]int{}
	for topic, n := range parts {
		for id := range n {
			if !dealt[stream.Partition{Topic: topic, ID: id}] {
				left[topic]++
			}
		}
	}
	return left, true
}

// beforeJoin looks at the topics between two generations, so that partitions that come while the group is being joined are seen by watchTopics. It fails if a topic is gone, by the last answer that comes before
// the given time: a leader asks kafka-go's way, with leave to create topics. Without an answer the group is joined, as brokers drop members that come too late.
func (b *broker) beforeJoin(ctx context.Context, until time.Time) error {
	look, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	parts, err := b.lookAtTopics(look)
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errAbsent):
		return err
	case err == nil:
		b.parts = parts
	}
	return nil
}
