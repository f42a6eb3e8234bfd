package kafkasource

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/stream"
)

// lookupTimeout bounds one request for offsets.
const lookupTimeout = 15 * time.Second

// bounds adds the beginning and the end of each partition's log to its committed offset. The end includes open transactions.
func (b *broker) bounds(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]stream.Bounds, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for p := range committed {
		req.Topics[p.Topic] = append(req.Topics[p.Topic], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
	}
	res, err := b.client.ListOffsets(ctx, req)
	if err != nil {
		return nil, err
	}
	out := make(map[stream.Partition]stream.Bounds, len(committed))
	for topic, parts := range res.Topics {
		for _, o := range parts {
			p := stream.Partition{Topic: topic, ID: o.Partition}
			if o.Error != nil {
				return nil, fmt.Errorf("offsets of %s: %w", p, o.Error)
			}
			out[p] = stream.Bounds{Committed: committed[p], First: o.FirstOffset, End: o.LastOffset}
		}
	}
	for p := range committed {
		if _, ok := out[p]; !ok {
			return nil, fmt.Errorf("offsets of %s: the broker did not answer for it", p)
		}
	}
	return out, nil
}
