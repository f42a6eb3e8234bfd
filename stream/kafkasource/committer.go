package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/internal/retry"
	"vecmill/stream"
)

// errEnded is a commit's error after its assignment has ended.
var errEnded = errors.New("kafka source: the assignment has ended")

// committer commits for one generation; the broker refuses it once another generation has begun.
//
// It sends the request itself rather than through Generation.CommitOffsets: that one takes no context, and has only the
// one connection, whose failure may be why the assignment ends.
type committer struct {
	m     *membership
	parts map[stream.Partition]bool
	begun map[string]begunCount // see there; set before the first commit
	ended atomic.Bool
}

// commitTimeout bounds one try.
const commitTimeout = 10 * time.Second

// mostCommitted is how many partitions one request commits. The broker writes them as one batch, with the names of group and topic for each, and takes none above message.max.bytes, 1 MiB by default:
// with names of 249 characters, the most that a topic may have, these partitions are half of it.
const mostCommitted = 1000

// Commit implements stream.Committer.
func (c *committer) Commit(ctx context.Context, next map[stream.Partition]int64) error {
	topics, n := map[string][]kafka.OffsetCommit{}, 0
	for p, offset := range next {
		if !c.parts[p] {
			return fmt.Errorf("kafka source: committing %s, which is not assigned", p)
		}
		if n == mostCommitted {
			if err := c.commit(ctx, topics); err != nil {
				return err
			}
			topics, n = map[string][]kafka.OffsetCommit{}, 0
		}
		topics[p.Topic] = append(topics[p.Topic], kafka.OffsetCommit{Partition: p.ID, Offset: offset, Metadata: begunMetadata(c.begun[p.Topic].parts)})
		n++
	}
	if n == 0 {
		return nil
	}
	return c.commit(ctx, topics)
}

// commit makes one request, patiently.
func (c *committer) commit(ctx context.Context, topics map[string][]kafka.OffsetCommit) error {
	final := func(err error) bool {
		return evicted(err) || errors.Is(err, errEnded) || errors.Is(err, kafka.RebalanceInProgress) || groupFault(err) != nil
	}
	_, err := retry.Do(ctx, c.m.b.cfg.Retry, final, func(ctx context.Context) error { return c.try(ctx, topics) })
	if evicted(err) {
		c.m.lose(fmt.Errorf("committing: %w", err))
	}
	if err != nil {
		return fmt.Errorf("kafka source: generation %d: %w", c.m.gen.ID, err)
	}
	return nil
}

func (c *committer) try(ctx context.Context, topics map[string][]kafka.OffsetCommit) error {
	if c.ended.Load() || c.m.isLost() { // I3
		return errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	res, err := c.m.b.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: c.m.gen.GroupID, GenerationID: int(c.m.gen.ID), MemberID: c.m.gen.MemberID, Topics: topics,
	})
	if err != nil {
		return err
	}
	for topic, parts := range res.Topics {
		for _, p := range parts {
			if p.Error != nil {
				return fmt.Errorf("%s/%d: %w", topic, p.Partition, p.Error)
			}
		}
	}
	return nil
}

// Restart implements stream.Restarter: the assignment ends as if the broker had asked the members to join again, which this one does then. A member that was evicted and has not noticed learns it from the heartbeat at that end.
func (c *committer) Restart() { c.m.rejoin() }

// End implements stream.EndFinder.
func (c *committer) End(ctx context.Context, p stream.Partition) (int64, error) {
	return c.m.b.end(ctx, p)
}

// Reread implements stream.Rereader.
func (c *committer) Reread(ctx context.Context, p stream.Position) (stream.Record, error) {
	rec, err := stream.Record{}, stream.ErrRecordGone
	scanned := c.m.b.scan(ctx, p.Partition, p.Offset, p.Offset+1, func(r stream.Record) error {
		rec, err = r, nil
		return nil
	})
	if scanned != nil {
		return rec, scanned
	}
	return rec, err
}
