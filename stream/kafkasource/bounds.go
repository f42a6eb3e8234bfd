package kafkasource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"golang.org/x/sync/errgroup"

	"vecmill/internal/retry"
	"vecmill/stream"
)

var errNoAnswer = errors.New("the broker did not answer for it")

// lookupTimeout bounds one request for offsets.
const lookupTimeout = 15 * time.Second

// listed is what a leader shows of a log. epoch is the leader's.
type listed struct {
	first, end int64
	epoch      int32
}

// bounds adds the beginning and the end of each partition's log to its committed offset. The end includes open transactions.
func (b *broker) bounds(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]stream.Bounds, error) {
	all, err := b.list(ctx, slices.Collect(maps.Keys(committed)))
	if err != nil {
		return nil, err
	}
	out := make(map[stream.Partition]stream.Bounds, len(committed))
	for p, l := range all {
		out[p] = stream.Bounds{Committed: committed[p], First: l.first, End: l.end}
	}
	return out, nil
}

// list asks the leaders of partitions what they show of their logs.
func (b *broker) list(ctx context.Context, parts []stream.Partition) (map[stream.Partition]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	topics := map[string][]listoffsets.RequestPartition{}
	for _, p := range parts {
		for _, at := range []int64{kafka.FirstOffset, kafka.LastOffset} {
			topics[p.Topic] = append(topics[p.Topic], listoffsets.RequestPartition{Partition: int32(p.ID), CurrentLeaderEpoch: -1, Timestamp: at})
		}
	}
	req := &listoffsets.Request{ReplicaID: -1}
	for topic, of := range topics {
		req.Topics = append(req.Topics, listoffsets.RequestTopic{Topic: topic, Partitions: of})
	}
	m, err := b.client.Transport.RoundTrip(ctx, b.client.Addr, req)
	if err != nil {
		return nil, err
	}
	out, answers := make(map[stream.Partition]listed, len(parts)), map[stream.Partition]int{}
	for _, t := range m.(*listoffsets.Response).Topics {
		for _, o := range t.Partitions {
			p := stream.Partition{Topic: t.Topic, ID: int(o.Partition)}
			if o.ErrorCode != 0 {
				return nil, fmt.Errorf("offsets of %s: %w", p, kafka.Error(o.ErrorCode))
			}
			l := out[p]
			if o.Timestamp == kafka.FirstOffset {
				l.first = o.Offset
			} else {
				l.end, l.epoch = o.Offset, o.LeaderEpoch
			}
			out[p] = l
			answers[p]++
		}
	}
	for _, p := range parts {
		if answers[p] != 2 {
			return nil, fmt.Errorf("offsets of %s: %w", p, errNoAnswer)
		}
	}
	return out, nil
}

// end looks up where a log ends.
func (b *broker) end(ctx context.Context, p stream.Partition) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	res, err := b.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{p.Topic: {kafka.LastOffsetOf(p.ID)}}})
	if err != nil {
		return 0, err
	}
	for _, o := range res.Topics[p.Topic] {
		if o.Partition == p.ID {
			return o.LastOffset, o.Error
		}
	}
	return 0, fmt.Errorf("offsets of %s: %w", p, errNoAnswer)
}

// togetherTries is how often the bounds are asked for together before each partition is asked for by itself: leaders are elected within seconds.
const togetherTries = 3

// lookups is how many partitions are asked for at once when each is asked for by itself.
const lookups = 8

// beginBounds looks the bounds of an assignment up until they are known, or known well enough: one partition without a leader must not hold up
// the others. For a partition whose leader does not answer, and which the group has committed before, the log is taken to reach from 0 to infinity: where
// to begin follows from the commit and the output alone then, and the fetch loop, which waits for the leader, finds out about records that are gone. Only a
// partition that was never committed is waited for, since nothing else says where it begins.
func (b *broker) beginBounds(ctx context.Context, committed map[stream.Partition]int64) (known map[stream.Partition]stream.Bounds, err error) {
	err = b.patiently(ctx, "looking up the bounds of the assigned partitions failed; trying again", func(tries int) (err error) {
		known, err = b.bounds(ctx, committed)
		if err != nil && tries >= togetherTries && groupFault(err) == nil {
			known, err = b.boundsApart(ctx, committed)
		}
		return err
	})
	return known, err
}

// beginCounts is begun, for as long as it takes.
func (b *broker) beginCounts(ctx context.Context, assigned map[stream.Partition]int64) (counts map[string]begunCount, err error) {
	err = b.patiently(ctx, "looking up the group's commits failed; trying again", func(int) (err error) {
		counts, err = b.begun(ctx, assigned)
		return err
	})
	return counts, err
}

// patiently asks until there is an answer, ctx ends, or a fault needs a person.
func (b *broker) patiently(ctx context.Context, failed string, ask func(tries int) error) error {
	for tries := 1; ; tries++ {
		err := ask(tries)
		if err == nil {
			return nil
		}
		if fault := groupFault(err); fault != nil {
			return fault
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b.log.Warn(failed, "tries", tries, "err", err)
		b.failed(theGroup, tries, err)
		retry.Sleep(ctx, b.cfg.Retry.Wait(tries))
	}
}

// boundsApart asks for each partition by itself, and fails only if nothing says where one of them begins.
func (b *broker) boundsApart(ctx context.Context, committed map[stream.Partition]int64) (map[stream.Partition]stream.Bounds, error) {
	var mu sync.Mutex
	known := make(map[stream.Partition]stream.Bounds, len(committed))
	var silent []string
	var why error
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for p, c := range committed {
		g.Go(func() error {
			one, err := b.bounds(gctx, map[stream.Partition]int64{p: c})
			if err != nil && (c < 0 || gctx.Err() != nil || groupFault(err) != nil) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				known[p] = stream.Bounds{Committed: c, First: 0, End: stream.EndUnknown}
				silent, why = append(silent, p.String()), err
				return nil
			}
			known[p] = one[p]
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		b.log.Warn("some partitions have no leader that answers; the others are read, and these as soon as one does", "partitions", silent, "err", why)
	}
	return known, nil
}
