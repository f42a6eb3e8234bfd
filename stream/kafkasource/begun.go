package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"vecmill/stream"
)

// begunKey begins the metadata of every commit, which says with how many partitions the group began with the topic.
const begunKey = "partitions="

// begunCount is with how many partitions of a topic the group began.
type begunCount struct {
	parts int
	said  bool // by a commit; otherwise it is what there are, or inferred from which partitions have commits
}

// begun looks up, for each topic, with how many partitions the group began with it: those from that number on were added since. assigned are this member's.
//
// Which partitions have commits does not tell that. One that has none, of a topic of which others have one, was added since; or it was there and has none yet, because its member begins at this moment beside
// the one that has just committed the others, or because its member crashed before it had committed where it begins. The first kind is to be read from its first record, since all it holds came while the pipeline was
// at work. The second begins where start_at says: nothing of it was taken in, and what its log has held for years may be meant to be left out. So every commit carries how many partitions there were when the group began
// with the topic, and the commits after it hand that on: it is there with the very first commit, by which another member could take its own partitions for new ones. Kafka numbers the partitions of a topic
// from 0 and adds them behind the last, so that the number tells the two kinds apart. Where commits say different numbers, of members that began while partitions were added, the least counts: a partition that is taken for new for that is seconds old.
//
// Commits of earlier versions, and those by which tools reset a group, say nothing. Of a topic with only such the partitions up to the last that has one are taken for those that there were: a group that
// has begun has one for each. Kafka forgets the commits of a group together (offsets.retention.minutes after its last member has left), and those of a topic with the topic; the group begins anew then.
func (b *broker) begun(ctx context.Context, assigned map[stream.Partition]int64) (map[string]begunCount, error) {
	commits, err := b.commits(ctx)
	if err != nil {
		return nil, err
	}
	now := make(map[string]begunCount, len(b.cfg.Topics))
	for _, topic := range b.cfg.Topics {
		now[topic] = begunCount{parts: b.parts[topic]}
	}
	for p := range assigned { // it may have been added since the topics were looked at
		now[p.Topic] = begunCount{parts: max(now[p.Topic].parts, p.ID+1)}
	}
	for topic := range now {
		said, last := 0, -1
		for _, c := range commits[topic] {
			if c.Error != nil {
				return nil, fmt.Errorf("%s/%d: %w", topic, c.Partition, c.Error)
			}
			if c.CommittedOffset < 0 {
				continue
			}
			last = max(last, c.Partition)
			if n := parseBegun(c.Metadata); n > 0 && (said == 0 || n < said) {
				said = n
			}
		}
		switch {
		case said > 0:
			now[topic] = begunCount{said, true}
		case last >= 0:
			now[topic] = begunCount{parts: last + 1}
		}
	}
	return now, nil
}

// commits are all that the group has committed.
func (b *broker) commits(ctx context.Context) (map[string][]kafka.OffsetFetchPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := b.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: b.cfg.Group}) // no topics: of all
	if err == nil {
		err = res.Error
	}
	switch {
	case errors.Is(err, kafka.GroupIdNotFound):
		return nil, nil // it has never committed
	case err != nil:
		return nil, err
	}
	return res.Topics, nil
}

// begunMetadata is the metadata of a commit; empty if n is not known.
func begunMetadata(n int) string {
	if n <= 0 {
		return ""
	}
	return begunKey + strconv.Itoa(n)
}

// parseBegun reads the metadata of a commit: 0 if it is not ours.
func parseBegun(metadata string) int {
	said, ours := strings.CutPrefix(metadata, begunKey)
	n, err := strconv.Atoi(said)
	if !ours || err != nil {
		return 0
	}
	return max(n, 0)
}
